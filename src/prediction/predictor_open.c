#include "prediction/predictor_open.h"

#include "base/mem.h"
#include "prediction/judge_predictor.h"
#include "prediction/keyword.h"
#include "prediction/model_folder.h"
#include "prediction/word_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_folder_of_model(const char *folder)
{
    char path[4200];
    return snprintf(path, sizeof path, "%s/judge.json", folder) < (int)sizeof path && access(path, F_OK) == 0;
}

bool ns_shipped_model(char out[4096])
{
    static const char *const places[] = {"../models/predictor", "../share/neuroshield/models/predictor"};
    const char *named = getenv("NEUROSHIELD_MODELS");
    if (named != NULL && named[0] != '\0')
        return snprintf(out, 4096, "%s/predictor", named) < 4096 && is_folder_of_model(out);
    char program[4000];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    char *slash = NULL;
    if (n > 0) {
        program[n] = '\0';
        slash = strrchr(program, '/');
    }
    if (slash == NULL)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < NS_COUNT_OF(places); i++)
        if (snprintf(out, 4096, "%s/%s", program, places[i]) < 4096 && is_folder_of_model(out))
            return true;
    return false;
}

ns_status ns_predictor_open_fallback(ns_predictor *out, ns_error *err)
{
    ns_status status = ns_keyword_predictor_new(out, err);
    if (status == NS_OK)
        out->fallback = true;
    return status;
}

/* Older models do not tell the words that they learnt from. */
static ns_status watch_words(const char *folder, ns_predictor *predictor, ns_error *err)
{
    ns_known_words words;
    ns_error none;
    ns_status status = ns_known_words_read(folder, &words, &none);
    if (status == NS_OK)
        return ns_word_watch_around(predictor, &words, err);
    if (status == NS_NOT_FOUND)
        return NS_OK;
    predictor->free(predictor->self);
    return ns_fail(err, status, "%s", none.text);
}

/* The hash is that of the whole folder, as `model info` shows it. */
static ns_status open_judge(const char *folder, const ns_judge_predictor_options *options, ns_predictor *out,
                            ns_error *err)
{
    ns_model_folder *files = NS_NEW(ns_model_folder);
    if (files == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory to open it", folder);
    ns_status status = ns_model_folder_read(folder, files, err);
    if (status == NS_OK)
        status = ns_judge_predictor_open(folder, options, out, err);
    if (status == NS_OK)
        memcpy(out->sha256, files->sha256, sizeof out->sha256);
    if (status == NS_OK)
        status = watch_words(folder, out, err);
    ns_free(files);
    return status;
}

static ns_status open_model(const char *folder, const ns_judge_predictor_options *options, ns_predictor *out,
                            ns_error *err)
{
    if (is_folder_of_model(folder))
        return open_judge(folder, options, out, err);
    if (access(folder, R_OK | X_OK) != 0)
        return ns_fail(err, NS_IO, "%s: there is no such model folder, or it cannot be read", folder);
    return ns_fail(err, NS_BAD_INPUT, "%s: holds no judge.json; is this a model that `train predictor` wrote?", folder);
}

ns_status ns_predictor_open(const ns_predictor_choice *choice, ns_predictor *out, ns_error *err)
{
    char shipped[4096];
    ns_code_path path;
    const char *model = choice->model != NULL && choice->model[0] != '\0' ? choice->model : NULL;
    const char *name = choice->code_path != NULL && choice->code_path[0] != '\0' ? choice->code_path : NULL;
    if (name != NULL && !ns_code_path_parse(ns_text_of(name), &path))
        return ns_fail(
            err, NS_BAD_USAGE,
            "there is no code path '%.40s'; there are amx_int8, amx_bf16, avx512_int8, avx512_fp32, avx2_fp32, "
            "portable_fp32 and keyword",
            name);
    if (name != NULL && path == NS_PATH_keyword)
        return ns_keyword_predictor_new(out, err);
    if (model == NULL && ns_shipped_model(shipped))
        model = shipped;
    if (model != NULL)
        return open_model(model,
                          &(ns_judge_predictor_options){.code_path = name, .without_encoder = choice->without_encoder},
                          out, err);
    if (name != NULL)
        return ns_fail(err, NS_BAD_USAGE, "code path %s needs a model: give its folder with --model", name);
    ns_status status = ns_predictor_open_fallback(out, err);
    if (status == NS_OK)
        (void)ns_fail(err, NS_OK, "no model is installed: the keyword rule answers");
    return status;
}
