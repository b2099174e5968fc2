/*
 * The text of a simulated build taken from recorded builds. Internal to build_log*.c.
 *
 * A pipeline sticks to one recorded project, so that its green builds resemble each other. A build that is bound to
 * fail (`expected` in its plan) prints one failing log of that project from its first line on; any other prints a green
 * one, and if it fails after all, goes over to a failing log at the fault. Line times are the recorded ones, stretched
 * to the stages of the plan; the fault becomes visible as long before the end, relative to the build's length, as it
 * did when it was recorded, though not before the stage that fails begins.
 */
#ifndef NS_WORLD_BUILD_LOG_RECORDED_H
#define NS_WORLD_BUILD_LOG_RECORDED_H

#include "world/build_log_pen.h"
#include "world/recorded_log.h"

/* Do these logs have a project for this pipeline? If not, its text is made up. */
bool ns_log_recorded_has(const ns_recorded_logs *logs, const ns_build_plan *plan);

/* Writes what stage i of the plan prints, the first one with the lines before it; false: a failing stage for whose
 * cause no log was recorded, of which only what a good one prints up to its evidence is written. */
bool ns_log_recorded_stage(ns_pen *pen, const ns_recorded_logs *logs, size_t i);

/* Writes what is printed after the build's end; false: nothing recorded ends so, nothing is written. */
bool ns_log_recorded_end(ns_pen *pen, const ns_recorded_logs *logs);

#endif
