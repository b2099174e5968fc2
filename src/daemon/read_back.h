/*
 * What a restart finds in the store: open cases, what was sent lately, templates that proved good, pods owed, how well
 * builds were predicted, and logs that were half read. Loop thread, once, while the house is built.
 */
#ifndef NS_DAEMON_READ_BACK_H
#define NS_DAEMON_READ_BACK_H

#include "daemon/house.h"

/* NS_NO_MEMORY; errors of the store. */
NS_MUST_USE ns_status ns_house_read_back(ns_house *house, ns_error *err);

#endif
