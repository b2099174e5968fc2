#include "wire/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ns_real_text(double value, char out[NS_REAL_TEXT_MAX])
{
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(out, NS_REAL_TEXT_MAX, "%.*g", digits, value);
        double back = strtod(out, NULL);
        /* The very same bits are wanted.
         * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
        if (memcmp(&back, &value, sizeof back) == 0)
            break;
    }
    return out;
}
