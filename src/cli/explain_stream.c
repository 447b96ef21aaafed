#include "cli/explain_stream.h"

#include "cli/explain_backend.h"
#include "proxy/stream_gate.h"

const struct listener *explain_stream_peek(const struct port *port, struct slice server_name,
                                           bool *through)
{
        const struct listener *listener = host_table_find(port->hosts, server_name);
        *through = listener && listener->kind == LISTENER_TLS_PASSTHROUGH;
        return listener;
}

/* Each share is asked for by the lowest number that picks it. */
static void backends_walk(const struct snapshot *snapshot, struct arena *arena,
                          struct explain_stream *stream)
{
        const struct stream_route *route = stream->route;
        struct explain_stream_backend *list =
                ARENA_ARRAY(arena, struct explain_stream_backend, route->backend_count);
        uint64_t at = 0;
        for (size_t i = 0; i < route->backend_count; i++) {
                struct explain_stream_backend *told = &list[stream->backend_count];
                told->weight = route->backends[i].weight;
                if (told->weight == 0)
                        continue;
                told->fault = stream_gate_backend(snapshot, route, at, &told->backend);
                at += told->weight;
                stream->backend_count++;
        }
        stream->backends = list;
        if (route->weight_sum == 0)
                stream->fault = "no_backend";
}

bool explain_stream_walk(const struct snapshot *snapshot, const struct listener *listener,
                         struct slice server_name, struct arena *arena,
                         struct explain_stream *stream)
{
        stream->reached = true;
        stream->fault =
                listener ? stream_gate_route(listener, server_name, &stream->route) : "unknown_sni";
        if (!stream->fault)
                backends_walk(snapshot, arena, stream);
        bool any = false;
        for (size_t i = 0; i < stream->backend_count; i++)
                any = any || !stream->backends[i].fault;
        return any;
}

/* ---- for people ---- */

static void backend_print(const struct explain_stream_backend *told, uint64_t sum, FILE *out)
{
        struct slice name = told->backend ? told->backend->name : SLICE("not usable");
        if (told->fault)
                fprintf(out, "  NO   backend %.*s: closed (%s), weight %u of %llu\n",
                        SLICE_ARG(name), told->fault, told->weight, (unsigned long long)sum);
        else if (told->backend)
                fprintf(out, "  yes  backend %.*s: %zu ready, weight %u of %llu\n", SLICE_ARG(name),
                        told->backend->endpoint_count, told->weight, (unsigned long long)sum);
        if (told->backend)
                explain_backend_print(told->backend, out);
}

void explain_stream_print(const struct explain_stream *stream, FILE *out)
{
        if (stream->route)
                fprintf(out, "  yes  route %.*s: bytes as they are%s\n",
                        SLICE_ARG(stream->route->route),
                        stream->route->introduces ? ", behind a PROXY header" : "");
        if (stream->fault)
                fprintf(out, "  NO   the connection is closed (%s)\n", stream->fault);
        for (size_t i = 0; stream->route && i < stream->backend_count; i++)
                backend_print(&stream->backends[i], stream->route->weight_sum, out);
}

/* ---- for programs ---- */

static void backend_write(const struct explain_stream_backend *told, struct json_writer *w)
{
        json_begin_object(w);
        json_field_string(w, "name", told->backend ? told->backend->name : SLICE("not usable"));
        json_field_unsigned(w, "ready", told->backend ? told->backend->endpoint_count : 0);
        json_field_unsigned(w, "weight", told->weight);
        if (told->fault)
                json_field_text(w, "fault", told->fault);
        if (told->backend)
                explain_backend_write(told->backend, w);
        json_end_object(w);
}

void explain_stream_write(const struct explain_stream *stream, struct json_writer *w)
{
        json_key(w, SLICE("stream"));
        json_begin_object(w);
        if (stream->route)
                json_field_string(w, "route", stream->route->route);
        if (stream->route)
                json_field_bool(w, "proxyHeader", stream->route->introduces);
        if (stream->fault)
                json_field_text(w, "fault", stream->fault);
        json_key(w, SLICE("backends"));
        json_begin_array(w);
        for (size_t i = 0; i < stream->backend_count; i++)
                backend_write(&stream->backends[i], w);
        json_end_array(w);
        json_end_object(w);
}
