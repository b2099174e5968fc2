#include "lab/train_curve.h"

#include "base/mem.h"
#include "wire/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_CEILING = 64 << 20, PATH_ROOM = 4096 };

void ns_train_curve_clear(ns_train_curve *curve)
{
    ns_free(curve->points);
    *curve = (ns_train_curve){0};
}

ns_status ns_train_curve_add(ns_train_curve *curve, const ns_curve_point *point, ns_error *err)
{
    if (curve->count == NS_CURVE_POINTS_MAX)
        return ns_fail(err, NS_TOO_LARGE, "more than %d points in the loss curve", NS_CURVE_POINTS_MAX);
    if (curve->count == curve->room) {
        const size_t more = curve->room == 0 ? 256 : curve->room * 2;
        ns_curve_point *moved = ns_realloc(curve->points, more, sizeof *moved);
        if (moved == NULL)
            return ns_fail(err, NS_NO_MEMORY, "no memory for the loss curve");
        curve->points = moved;
        curve->room = more;
    }
    curve->points[curve->count++] = *point;
    return NS_OK;
}

void ns_train_curve_cut(ns_train_curve *curve, const char *stage, int64_t step)
{
    size_t kept = 0;
    for (size_t i = 0; i < curve->count; i++)
        if (strcmp(curve->points[i].stage, stage) != 0 || curve->points[i].step <= step)
            curve->points[kept++] = curve->points[i];
    curve->count = kept;
}

static void put_point(ns_buf *out, const ns_curve_point *p)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string(&w, "stage", p->stage);
    ns_json_field_int(&w, "step", p->step);
    ns_json_field_real(&w, "tokens", p->tokens);
    ns_json_field_real(&w, "loss", p->loss);
    ns_json_field_real(&w, "held_out_loss", p->held);
    ns_json_field_real(&w, "right", p->right);
    ns_json_field_real(&w, "learning_rate", p->rate);
    ns_json_field_real(&w, "gradient_norm", p->gradient_norm);
    ns_json_field_real(&w, "tokens_per_s", p->tokens_per_s);
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
}

/* One panel a stage: x tokens, y loss; held-out losses as dots. */
enum { PANEL_WIDTH = 420, PANEL_HEIGHT = 260, MARGIN = 48 };

typedef struct panel {
    const char *stage;
    double tokens, low, high; /* ranges of the axes */
    int left;
} panel;

static double x_of(const panel *p, double tokens)
{
    return (double)p->left + MARGIN + (p->tokens > 0.0 ? tokens / p->tokens : 0.0) * (PANEL_WIDTH - MARGIN - 12);
}

static double y_of(const panel *p, double loss)
{
    const double span = p->high > p->low ? p->high - p->low : 1.0;
    return 28.0 + (1.0 - (loss - p->low) / span) * (PANEL_HEIGHT - 28 - MARGIN);
}

static void see(panel *p, double loss)
{
    if (!isfinite(loss))
        return;
    p->low = loss < p->low ? loss : p->low;
    p->high = loss > p->high ? loss : p->high;
}

static void draw_panel(ns_buf *out, const ns_train_curve *curve, const panel *p)
{
    (void)ns_buf_printf(
        out,
        "<text x='%d' y='18'>%s: loss against tokens</text>"
        "<path d='M%d 28V%dH%d' fill='none' stroke='#888'/>"
        "<text x='%d' y='36' text-anchor='end'>%.2f</text><text x='%d' y='%d' text-anchor='end'>%.2f</text>"
        "<text x='%d' y='%d' text-anchor='end'>%.2f M</text>\n<polyline fill='none' stroke='#26c' points='",
        p->left + MARGIN, p->stage, p->left + MARGIN, PANEL_HEIGHT - MARGIN, p->left + PANEL_WIDTH - 12,
        p->left + MARGIN - 4, p->high, p->left + MARGIN - 4, PANEL_HEIGHT - MARGIN, p->low, p->left + PANEL_WIDTH - 12,
        PANEL_HEIGHT - MARGIN + 16, p->tokens * 1e-6);
    for (size_t i = 0; i < curve->count; i++)
        if (strcmp(curve->points[i].stage, p->stage) == 0 && isfinite(curve->points[i].loss))
            (void)ns_buf_printf(out, "%.1f,%.1f ", x_of(p, curve->points[i].tokens), y_of(p, curve->points[i].loss));
    (void)ns_buf_string(out, "'/>\n");
    for (size_t i = 0; i < curve->count; i++)
        if (strcmp(curve->points[i].stage, p->stage) == 0 && isfinite(curve->points[i].held))
            (void)ns_buf_printf(out, "<circle cx='%.1f' cy='%.1f' r='3' fill='#c42'/>\n",
                                x_of(p, curve->points[i].tokens), y_of(p, curve->points[i].held));
}

static void put_drawing(ns_buf *out, const ns_train_curve *curve)
{
    panel panels[8];
    size_t count = 0;
    for (size_t i = 0; i < curve->count; i++) {
        const ns_curve_point *point = &curve->points[i];
        size_t k = 0;
        while (k < count && strcmp(panels[k].stage, point->stage) != 0)
            k++;
        if (k == NS_COUNT_OF(panels))
            continue;
        if (k == count)
            panels[count++] = (panel){point->stage, 0.0, INFINITY, -INFINITY, (int)k * PANEL_WIDTH};
        panels[k].tokens = point->tokens > panels[k].tokens ? point->tokens : panels[k].tokens;
        see(&panels[k], point->loss);
        see(&panels[k], point->held);
    }
    (void)ns_buf_printf(out,
                        "<svg xmlns='http://www.w3.org/2000/svg' width='%zu' height='%d' font-family='sans-serif' "
                        "font-size='12'>\n<rect width='100%%' height='100%%' fill='white'/>\n",
                        (count == 0 ? 1 : count) * PANEL_WIDTH, PANEL_HEIGHT);
    for (size_t k = 0; k < count; k++)
        draw_panel(out, curve, &panels[k]);
    (void)ns_buf_printf(out,
                        "<text x='%d' y='%d' fill='#26c'>training</text>"
                        "<text x='%d' y='%d' fill='#c42'>held out</text>\n</svg>\n",
                        MARGIN, PANEL_HEIGHT - 10, MARGIN + 70, PANEL_HEIGHT - 10);
}

static ns_status replace(const char *path, const char *ending, const ns_buf *content, ns_error *err)
{
    char whole[PATH_ROOM];
    if (content->failed)
        return ns_fail(err, NS_NO_MEMORY, "%s%s: no memory for the loss curve", path, ending);
    if ((size_t)snprintf(whole, sizeof whole, "%s%s", path, ending) >= sizeof whole)
        return ns_fail(err, NS_IO, "%s: the path is too long", path);
    return ns_file_replace(whole, ns_buf_view(content), 0644, err);
}

ns_status ns_train_curve_write(const ns_train_curve *curve, const char *path, ns_error *err)
{
    ns_buf text;
    ns_buf_init(&text, FILE_CEILING);
    for (size_t i = 0; i < curve->count; i++)
        put_point(&text, &curve->points[i]);
    ns_status status = replace(path, ".jsonl", &text, err);
    ns_buf_reset(&text);
    if (status == NS_OK) {
        put_drawing(&text, curve);
        status = replace(path, ".svg", &text, err);
    }
    ns_buf_clear(&text);
    return status;
}

static ns_status read_point(ns_train_curve *curve, ns_text line, ns_error *err)
{
    json_t *json = NULL;
    const ns_status status = ns_json_read(line, &json, err);
    if (status != NS_OK)
        return status;
    ns_curve_point point = {
        .step = ns_json_int(json, "step", 0),
        .tokens = ns_json_real(json, "tokens", 0.0),
        .loss = ns_json_real(json, "loss", (double)NAN),
        .held = ns_json_real(json, "held_out_loss", (double)NAN),
        .right = ns_json_real(json, "right", (double)NAN),
        .rate = ns_json_real(json, "learning_rate", (double)NAN),
        .gradient_norm = ns_json_real(json, "gradient_norm", (double)NAN),
        .tokens_per_s = ns_json_real(json, "tokens_per_s", (double)NAN),
    };
    (void)ns_text_copy(point.stage, sizeof point.stage, ns_text_of(ns_json_string(json, "stage", "")));
    json_decref(json);
    return ns_train_curve_add(curve, &point, err);
}

ns_status ns_train_curve_read(ns_train_curve *curve, const char *path, ns_error *err)
{
    char whole[PATH_ROOM];
    if ((size_t)snprintf(whole, sizeof whole, "%s.jsonl", path) >= sizeof whole)
        return ns_fail(err, NS_IO, "%s: the path is too long", path);
    if (access(whole, F_OK) != 0 && errno == ENOENT)
        return NS_OK;
    ns_buf text;
    ns_buf_init(&text, FILE_CEILING);
    ns_status status = ns_file_read(whole, FILE_CEILING, &text, err);
    ns_text rest = ns_buf_view(&text), line;
    for (size_t number = 1; status == NS_OK && ns_text_line(&rest, &line); number++) {
        status = read_point(curve, line, err);
        if (status != NS_OK)
            status = ns_fail_in(err, status, "%s line %zu", whole, number);
    }
    ns_buf_clear(&text);
    if (status != NS_OK)
        ns_train_curve_clear(curve);
    return status;
}
