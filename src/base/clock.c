#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock_ns(clockid_t id)
{
    struct timespec t;
    NS_CHECK(clock_gettime(id, &t) == 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t ns_real_now_ms(void)
{
    return read_clock_ns(CLOCK_REALTIME) / 1000000;
}

int64_t ns_monotonic_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

ns_clock ns_clock_real(void)
{
    return (ns_clock){.speed = 1.0};
}

ns_clock ns_clock_scaled(int64_t origin_world_ms, double speed)
{
    NS_CHECK(speed > 0);
    return (ns_clock){.origin_real_ms = ns_real_now_ms(), .origin_world_ms = origin_world_ms, .speed = speed};
}

ns_clock ns_clock_manual(const int64_t *now_ms)
{
    return (ns_clock){.manual_ms = now_ms, .speed = 1.0};
}

int64_t ns_clock_now_ms(const ns_clock *clock)
{
    if (clock->manual_ms != NULL)
        return *clock->manual_ms;
    double passed = (double)(ns_real_now_ms() - clock->origin_real_ms);
    return clock->origin_world_ms + (int64_t)(passed * clock->speed);
}

/* Days since 1970-01-01 of a proleptic Gregorian date; eras of 400 years, the year starting in March. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int64_t days_of_month(int64_t year, int month)
{
    return days_from_date(year + month / 12, month % 12 + 1, 1) - days_from_date(year, month, 1);
}

const char *ns_time_text(int64_t at_ms, char out[NS_TIME_TEXT_MAX])
{
    out[0] = '\0';
    if (at_ms < 0)
        return out;
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm t;
    if (gmtime_r(&seconds, &t) == NULL || t.tm_year > 8099)
        return out;
    (void)snprintf(out, NS_TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (t.tm_year + 1900) % 10000,
                   t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)(at_ms % 1000));
    return out;
}

static bool two_digits(ns_text text, size_t at, int *out)
{
    int64_t value;
    if (text.len < at + 2 || text.at[at] == '-' || text.at[at] == '+' ||
        !ns_text_int64((ns_text){text.at + at, 2}, &value))
        return false;
    *out = (int)value;
    return true;
}

bool ns_time_parse(ns_text text, int64_t *at_ms)
{
    int64_t year;
    int month, day, hour, minute, second;
    if (text.len < 20 || text.at[0] == '-' || text.at[0] == '+' || !ns_text_int64((ns_text){text.at, 4}, &year) ||
        text.at[4] != '-' || text.at[7] != '-' || (text.at[10] != 'T' && text.at[10] != ' ') || text.at[13] != ':' ||
        text.at[16] != ':')
        return false;
    if (!two_digits(text, 5, &month) || !two_digits(text, 8, &day) || !two_digits(text, 11, &hour) ||
        !two_digits(text, 14, &minute) || !two_digits(text, 17, &second))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    size_t i = 19;
    int64_t millis = 0;
    if (text.at[i] == '.') {
        int64_t unit = 100;
        size_t digits = 0;
        for (i++; i < text.len && text.at[i] >= '0' && text.at[i] <= '9'; i++, digits++, unit /= 10)
            millis += (text.at[i] - '0') * unit;
        if (digits == 0 || digits > 9)
            return false;
    }
    int64_t offset_minutes = 0;
    if (i + 1 == text.len && (text.at[i] == 'Z' || text.at[i] == 'z')) {
        offset_minutes = 0;
    } else if (i + 6 == text.len && (text.at[i] == '+' || text.at[i] == '-') && text.at[i + 3] == ':') {
        int h, m;
        if (!two_digits(text, i + 1, &h) || !two_digits(text, i + 4, &m) || h > 23 || m > 59)
            return false;
        offset_minutes = (text.at[i] == '-' ? -1 : 1) * (h * 60 + m);
    } else {
        return false;
    }
    int64_t seconds = days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *at_ms = (seconds - offset_minutes * 60) * 1000 + millis;
    return true;
}
