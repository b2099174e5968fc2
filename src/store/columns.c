#include "store/columns.h"

#include <math.h>
#include <string.h>

/* Numbers of any width as int64: what packing, binding and reading share. */
static int64_t number_of(const ns_column *column, const unsigned char *row)
{
    union {
        int8_t i8;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        bool truth;
    } v;
    memcpy(&v, row + column->offset, column->size);
    switch (column->type) {
    case NS_COLUMN_i8:
        return v.i8;
    case NS_COLUMN_i32:
        return v.i32;
    case NS_COLUMN_u32:
    case NS_COLUMN_enum:
        return v.u32;
    case NS_COLUMN_bool:
        return v.truth;
    default:
        return v.i64;
    }
}

/* False when the number does not fit the field. */
static bool number_to(const ns_column *column, int64_t number, unsigned char *row)
{
    union {
        int8_t i8;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        bool truth;
    } v;
    bool fits = true;
    switch (column->type) {
    case NS_COLUMN_i8:
        fits = number >= INT8_MIN && number <= INT8_MAX;
        v.i8 = (int8_t)number;
        break;
    case NS_COLUMN_i32:
        fits = number >= INT32_MIN && number <= INT32_MAX;
        v.i32 = (int32_t)number;
        break;
    case NS_COLUMN_u32:
    case NS_COLUMN_enum:
        fits = number >= 0 && number <= UINT32_MAX;
        v.u32 = (uint32_t)number;
        break;
    case NS_COLUMN_bool:
        fits = number == 0 || number == 1;
        v.truth = number == 1;
        break;
    default:
        v.i64 = number;
        break;
    }
    if (fits)
        memcpy(row + column->offset, &v, column->size);
    return fits;
}

static size_t text_length(const ns_column *column, const unsigned char *row)
{
    return strnlen((const char *)row + column->offset, column->size - 1);
}

static size_t pack_sized(unsigned char *out, const void *bytes, size_t len)
{
    NS_CHECK(len <= UINT16_MAX);
    uint16_t short_len = (uint16_t)len;
    memcpy(out, &short_len, sizeof short_len);
    memcpy(out + sizeof short_len, bytes, len);
    return sizeof short_len + len;
}

size_t ns_row_pack(const ns_table *table, const void *row, unsigned char *out)
{
    const unsigned char *at = row;
    unsigned char blob[NS_BLOB_MAX];
    size_t used = 0;
    for (size_t i = 0; i < table->count; i++) {
        const ns_column *column = &table->columns[i];
        if (column->type == NS_COLUMN_text) {
            used += pack_sized(out + used, at + column->offset, text_length(column, at));
        } else if (column->type == NS_COLUMN_blob) {
            used += pack_sized(out + used, blob, column->blob->encode(at + column->offset, blob));
        } else {
            memcpy(out + used, at + column->offset, column->size);
            used += column->size;
        }
    }
    NS_CHECK(used <= NS_ROW_BYTES_MAX);
    return used;
}

size_t ns_row_unpack(const ns_table *table, const unsigned char *bytes, size_t len, void *row)
{
    unsigned char *to = row;
    size_t used = 0;
    memset(row, 0, table->row_size);
    for (size_t i = 0; i < table->count; i++) {
        const ns_column *column = &table->columns[i];
        size_t size = column->size;
        if (column->type == NS_COLUMN_text || column->type == NS_COLUMN_blob) {
            uint16_t short_len;
            NS_CHECK(used + sizeof short_len <= len);
            memcpy(&short_len, bytes + used, sizeof short_len);
            used += sizeof short_len;
            size = short_len;
        }
        NS_CHECK(used + size <= len);
        if (column->type == NS_COLUMN_blob)
            NS_CHECK(column->blob->decode(bytes + used, size, to + column->offset));
        else
            memcpy(to + column->offset, bytes + used, size);
        used += size;
    }
    return used;
}

static int bind_real(sqlite3_stmt *statement, int parameter, const unsigned char *field)
{
    double value;
    memcpy(&value, field, sizeof value);
    return isnan(value) ? sqlite3_bind_null(statement, parameter) : sqlite3_bind_double(statement, parameter, value);
}

static int bind_blob(sqlite3_stmt *statement, int parameter, const ns_column *column, const unsigned char *field)
{
    unsigned char blob[NS_BLOB_MAX];
    size_t len = column->blob->encode(field, blob);
    return len == 0 ? sqlite3_bind_null(statement, parameter)
                    : sqlite3_bind_blob(statement, parameter, blob, (int)len, SQLITE_TRANSIENT);
}

static int bind_number(sqlite3_stmt *statement, int parameter, const ns_column *column, int64_t number)
{
    if (column->nullable && number == column->unknown)
        return sqlite3_bind_null(statement, parameter);
    return sqlite3_bind_int64(statement, parameter, number);
}

int ns_row_bind(const ns_table *table, const void *row, sqlite3_stmt *statement)
{
    const unsigned char *at = row;
    int rc = SQLITE_OK;
    for (size_t i = 0; i < table->count && rc == SQLITE_OK; i++) {
        const ns_column *column = &table->columns[i];
        const unsigned char *field = at + column->offset;
        int parameter = (int)i + 1;
        switch (column->type) {
        case NS_COLUMN_text:
            rc = sqlite3_bind_text(statement, parameter, (const char *)field, (int)text_length(column, at),
                                   SQLITE_TRANSIENT);
            break;
        case NS_COLUMN_real:
            rc = bind_real(statement, parameter, field);
            break;
        case NS_COLUMN_blob:
            rc = bind_blob(statement, parameter, column, field);
            break;
        case NS_COLUMN_enum:
            rc = sqlite3_bind_text(statement, parameter, column->enum_name((unsigned)number_of(column, at)), -1,
                                   SQLITE_STATIC);
            break;
        default:
            rc = bind_number(statement, parameter, column, number_of(column, at));
            break;
        }
    }
    return rc;
}

static bool read_text(const ns_column *column, sqlite3_stmt *statement, int result, unsigned char *row)
{
    const unsigned char *text = sqlite3_column_text(statement, result);
    size_t len = (size_t)sqlite3_column_bytes(statement, result);
    if (text == NULL || len >= column->size || memchr(text, '\0', len) != NULL)
        return false;
    memcpy(row + column->offset, text, len);
    row[column->offset + len] = '\0';
    return true;
}

static bool read_enum(const ns_column *column, sqlite3_stmt *statement, int result, unsigned char *row)
{
    ns_text word = {(const char *)sqlite3_column_text(statement, result),
                    (size_t)sqlite3_column_bytes(statement, result)};
    for (unsigned i = 0; i < column->enum_count; i++)
        if (ns_text_is(word, column->enum_name(i)))
            return number_to(column, i, row);
    return false;
}

static bool read_real(const ns_column *column, sqlite3_stmt *statement, int result, unsigned char *row)
{
    double value = NAN;
    int type = sqlite3_column_type(statement, result);
    if (type == SQLITE_FLOAT || type == SQLITE_INTEGER)
        value = sqlite3_column_double(statement, result);
    memcpy(row + column->offset, &value, sizeof value);
    return type != SQLITE_TEXT && type != SQLITE_BLOB;
}

static bool read_blob(const ns_column *column, sqlite3_stmt *statement, int result, unsigned char *row)
{
    const unsigned char *bytes = sqlite3_column_blob(statement, result);
    size_t len = (size_t)sqlite3_column_bytes(statement, result);
    return column->blob->decode(bytes, bytes == NULL ? 0 : len, row + column->offset);
}

static bool read_number(const ns_column *column, sqlite3_stmt *statement, int result, unsigned char *row)
{
    int type = sqlite3_column_type(statement, result);
    if (type == SQLITE_NULL && column->nullable)
        return number_to(column, column->unknown, row);
    return type == SQLITE_INTEGER && number_to(column, sqlite3_column_int64(statement, result), row);
}

static bool read_column(const ns_column *column, sqlite3_stmt *statement, int result, unsigned char *row)
{
    switch (column->type) {
    case NS_COLUMN_text:
        return read_text(column, statement, result, row);
    case NS_COLUMN_enum:
        return read_enum(column, statement, result, row);
    case NS_COLUMN_real:
        return read_real(column, statement, result, row);
    case NS_COLUMN_blob:
        return read_blob(column, statement, result, row);
    default:
        return read_number(column, statement, result, row);
    }
}

ns_status ns_row_read(const ns_table *table, sqlite3_stmt *statement, int first, void *row, ns_error *err)
{
    memset(row, 0, table->row_size);
    for (size_t i = 0; i < table->count; i++) {
        if (!read_column(&table->columns[i], statement, first + (int)i, row))
            return ns_fail(err, NS_CORRUPT, "table %s holds a value that makes no sense in column %s", table->name,
                           table->columns[i].name);
    }
    return NS_OK;
}

void ns_table_columns_sql(const ns_table *table, ns_buf *out)
{
    for (size_t i = 0; i < table->count; i++)
        (void)ns_buf_printf(out, "%s%s", i == 0 ? "" : ", ", table->columns[i].name);
}

static size_t column_index(const ns_table *table, const char *name)
{
    size_t i = 0;
    while (i < table->count && strcmp(table->columns[i].name, name) != 0)
        i++;
    NS_CHECK(i < table->count);
    return i;
}

void ns_table_insert_sql(const ns_table *table, ns_buf *out)
{
    (void)ns_buf_printf(out, "INSERT INTO %s (", table->name);
    ns_table_columns_sql(table, out);
    if (table->created != NULL)
        (void)ns_buf_printf(out, ", %s", table->created);
    (void)ns_buf_string(out, ") VALUES (");
    for (size_t i = 0; i < table->count; i++)
        (void)ns_buf_printf(out, "%s?%zu", i == 0 ? "" : ", ", i + 1);
    if (table->created != NULL)
        (void)ns_buf_printf(out, ", ?%zu", column_index(table, "at_ms") + 1);
    (void)ns_buf_char(out, ')');
    if (table->conflict == NULL)
        return;
    (void)ns_buf_printf(out, " ON CONFLICT (%s) DO UPDATE SET ", table->conflict);
    for (size_t i = 0; i < table->count; i++)
        (void)ns_buf_printf(out, "%s%s = excluded.%s", i == 0 ? "" : ", ", table->columns[i].name,
                            table->columns[i].name);
}
