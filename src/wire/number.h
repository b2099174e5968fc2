/* Real numbers as text, the same way in JSON and CSV. Private to this room. */
#ifndef NS_WIRE_NUMBER_H
#define NS_WIRE_NUMBER_H

#define NS_REAL_TEXT_MAX 32

/* The shortest of 15, 16 or 17 significant digits that reads back as the same number; value is finite.
 * Whole numbers have no ".0". Returns out. */
const char *ns_real_text(double value, char out[NS_REAL_TEXT_MAX]);

#endif
