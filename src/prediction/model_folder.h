/*
 * A model folder: its files with their hashes, its card, and whether all of it holds together.
 *
 * card.json tells what the model is: {"schema":1,"name","facts","files":{NAME:{"sha256","bytes"}}}, facts being data,
 * recipe and figures. Its `files` names every other file of the folder, so that whoever has the card can tell whether
 * the model is the one it speaks of.
 */
#ifndef NS_PREDICTION_MODEL_FOLDER_H
#define NS_PREDICTION_MODEL_FOLDER_H

#include "wire/json.h"

#define NS_MODEL_CARD "card.json"

enum { NS_MODEL_FILES_MAX = 64, NS_MODEL_FILE_NAME = 80, NS_MODEL_PROBLEMS_MAX = 32 };

typedef struct ns_model_file {
    char name[NS_MODEL_FILE_NAME];
    int64_t bytes;
    char sha256[65];
} ns_model_file;

typedef struct ns_model_folder {
    ns_model_file file[NS_MODEL_FILES_MAX]; /* by name; card, README.md, training.* and hidden files left out */
    size_t count;
    char sha256[65]; /* of all of them: the model's own */
} ns_model_folder;

/* NS_IO (no such folder, a file cannot be read), NS_BAD_INPUT (too many files, a name that is no plain one, something
 * that is neither file nor hidden). */
NS_MUST_USE ns_status ns_model_folder_read(const char *folder, ns_model_folder *out, ns_error *err);

/* The object that a card has under "files". */
void ns_model_folder_put_files(ns_json_writer *w, const ns_model_folder *folder);

/* The card, or NULL with a message: NS_NOT_FOUND there is none, NS_IO, NS_BAD_INPUT. Give back with json_decref. */
json_t *ns_model_card_read(const char *folder, ns_error *err);

/* Writes the card of a folder whose other files are all written. facts: a JSON object of what else there is to say
 * (data, recipe, figures), or empty. *folder gets what the card names. NS_IO, NS_BAD_INPUT, NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_model_card_write(const char *path, const char *name, ns_text facts, ns_model_folder *folder,
                                          ns_error *err);

typedef struct ns_model_problems {
    char text[NS_MODEL_PROBLEMS_MAX][512];
    size_t count; /* more than fit are not kept */
} ns_model_problems;

/* Everything that can be checked: files against the card, each part that is there read whole, the parts against each
 * other. NS_OK with no problems: the model can be used. Errors: as ns_model_folder_read. */
NS_MUST_USE ns_status ns_model_folder_verify(const char *folder, ns_model_problems *out, ns_error *err);

#endif
