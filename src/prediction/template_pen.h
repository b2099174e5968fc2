/* Writing a template, inside template.c: repeated signs and lists of numbers shrink while they are written. */
#ifndef NS_PREDICTION_TEMPLATE_PEN_H
#define NS_PREDICTION_TEMPLATE_PEN_H

#include "prediction/template.h"

typedef struct ns_template_pen {
    char *at; /* [NS_TEMPLATE_MAX] */
    size_t len;
    size_t number_at, number_end; /* the last number written; equal: none */
    bool full;
} ns_template_pen;

/* What a byte is, as bits; looked up far more often than anything else here. */
enum {
    NS_SIGN_digit = 1,
    NS_SIGN_letter = 2,
    NS_SIGN_hex = 4,
    NS_SIGN_upper = 8,
    NS_SIGN_path = 16,
    NS_SIGN_dots = 32
};
extern const uint8_t ns_signs[256];

static inline bool ns_is_digit(char c)
{
    return (ns_signs[(unsigned char)c] & NS_SIGN_digit) != 0;
}

static inline bool ns_is_letter(char c)
{
    return (ns_signs[(unsigned char)c] & NS_SIGN_letter) != 0;
}

/* One sign below 0x80; the same sign again is left out, letters and digits excepted. */
void ns_pen_sign(ns_template_pen *pen, char c);

/* As it stands. */
void ns_pen_letters(ns_template_pen *pen, ns_text text);

/* "0", "1", "1s", "1B"; behind an equal number and a separator: not again. */
void ns_pen_number(ns_template_pen *pen, const char *as);

/* Has a number just been written, a separator behind it perhaps? */
bool ns_pen_after_number(const ns_template_pen *pen);

/* The character at the text's start, whatever it is: returns its bytes. What is no UTF-8 becomes "?". */
size_t ns_pen_any(ns_template_pen *pen, ns_text text);

/* A line that tells of a download, an installed package or the like, without a word of trouble: writes the verb and "~"
 * and returns true. */
bool ns_template_verb(ns_text line, ns_template_pen *pen);

#endif
