/* What control.c and the two kinds of sources share: none of anybody else's. */
#pragma once

#include "base/buffer.h"
#include "control/control.h"

struct control_files;
struct control_kube;

struct control {
        struct control_options options;
        struct translation *current;      /* what serves; NULL before the first */
        const struct set_cache *prepared; /* what was decoded for the first; NULL: nothing */
        struct control_files *files;      /* one of the two */
        struct control_kube *kube;
        struct buffer sources; /* their names, for the log */
        uint64_t generation;
        bool source_is_bad;
};

uint64_t control_now_us(void);
/* Objects to a generation that everything is ready for; published whole or not at all. */
bool control_publish(struct control *control, const struct objects *objects, uint64_t began_us,
                     struct error *err);
/* The same of a translation, which it takes: for a source that looks at it first. */
bool control_translate(struct control *control, const struct objects *objects,
                       struct translation **out, struct error *err);
/* Where nothing but EndpointSlices changed since what serves: *out is NULL where that means
 * nothing, and false that all has to be translated. */
bool control_translate_endpoints(struct control *control, const struct objects *objects,
                                 struct translation **out);
bool control_publish_translation(struct control *control, struct translation *next,
                                 uint64_t began_us, struct error *err);
/* That a source can't be read; the empty text: all are well. */
void control_tell_source(struct control *control, struct slice text);

bool control_files_start(struct control *control, struct error *err);
void control_files_reload(struct control_files *files);
void control_files_stop(struct control_files *files); /* NULL is fine */

bool control_kube_start(struct control *control, struct error *err);
/* A generation is in force; the former translation goes right after. */
void control_kube_published(struct control_kube *kube, const struct translation *translation);
void control_kube_reload(struct control_kube *kube);
void control_kube_leave(struct control_kube *kube);
bool control_kube_left(const struct control_kube *kube);
void control_kube_stop(struct control_kube *kube); /* NULL is fine */
