/*
 * A corpus behind the world's door (world/recorded_log.h), and where the shipped one lies.
 *
 * Texts are read from their files when they are asked for, and not kept.
 */
#ifndef NS_LAB_RECORDED_LOGS_H
#define NS_LAB_RECORDED_LOGS_H

#include "world/recorded_log.h"

/* Logs of one split ("test"; NULL all) of the corpus in this folder. Free with ns_recorded_logs_close.
 * Errors as ns_corpus_open. */
NS_MUST_USE ns_status ns_recorded_logs_open(const char *folder, const char *split, ns_recorded_logs *out,
                                            ns_error *err);
void ns_recorded_logs_close(ns_recorded_logs *logs); /* also of a zeroed one */

/* The same for the setting world.logs: a folder, "none" (nothing to print: count 0), or NULL: the shipped corpus if
 * there is one, corpus beside the build folder or share/neuroshield/corpus of the installation. Says in the log what
 * the builds will print. NS_BAD_INPUT (the folder cannot be used), NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_recorded_logs_choose(const char *setting, const char *split, ns_recorded_logs *out,
                                              ns_error *err);

#endif
