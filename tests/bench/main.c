#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const modes[] = {"full", "refused", "keepalive", "h2", "idle", "grpc"};

static int by_value(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
        return x < y ? -1 : x > y;
}

static uint32_t quantile(const struct load_result *result, double q)
{
        if (result->latency_count == 0)
                return 0;
        return result->latency_us[(size_t)((double)(result->latency_count - 1) * q)];
}

static int usage(void)
{
        fprintf(stderr,
                "usage: load --mode full|refused|keepalive|h2|idle|grpc --port N [--host NAME] [--path P]\n"
                "            [--status CODE] [--identities PEM] [--count N] [--concurrency N] [--streams N]\n");
        return 2;
}

static bool mode_find(const char *name, enum load_mode *mode)
{
        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
                if (strcmp(modes[i], name) == 0) {
                        *mode = (enum load_mode)i;
                        return true;
                }
        }
        return false;
}

int main(int argc, char **argv)
{
        static const struct option names[] = {
                {"mode", 1, NULL, 'm'},    {"port", 1, NULL, 'p'},
                {"host", 1, NULL, 'h'},    {"path", 1, NULL, 'u'},
                {"count", 1, NULL, 'n'},   {"concurrency", 1, NULL, 'c'},
                {"streams", 1, NULL, 's'}, {"identities", 1, NULL, 'i'},
                {"status", 1, NULL, 't'},  {NULL, 0, NULL, 0}};
        struct load_options options = {.host = "app.example.com",
                                       .path = "/",
                                       .status = "200",
                                       .concurrency = 16,
                                       .streams = 100,
                                       .count = 1000};
        struct load_identities identities = {0};
        struct load_result result = {0};
        int letter;
        bool ok = true;
        while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
                switch (letter) {
                case 'm':
                        ok = mode_find(optarg, &options.mode);
                        break;
                case 'p':
                        options.port = (uint16_t)strtoul(optarg, NULL, 10);
                        break;
                case 'h':
                        options.host = optarg;
                        break;
                case 'u':
                        options.path = optarg;
                        break;
                case 't':
                        options.status = optarg;
                        ok = strlen(optarg) == 3;
                        break;
                case 'n':
                        options.count = strtoull(optarg, NULL, 10);
                        break;
                case 'c':
                        options.concurrency = strtoul(optarg, NULL, 10);
                        break;
                case 's':
                        options.streams = strtoul(optarg, NULL, 10);
                        break;
                case 'i':
                        ok = load_identities_read(optarg, &identities);
                        break;
                default:
                        ok = false;
                }
                if (!ok)
                        return usage();
        }
        signal(SIGPIPE, SIG_IGN);
        if (options.port == 0 || !load_run(&options, &identities, &result))
                return usage();
        qsort(result.latency_us, result.latency_count, sizeof(uint32_t), by_value);
        printf("{\"operations\": %llu, \"errors\": %llu, \"seconds\": %.6f, \"p50_us\": %u, \"p99_us\": %u}\n",
               (unsigned long long)result.operations, (unsigned long long)result.errors,
               result.seconds, quantile(&result, 0.5), quantile(&result, 0.99));
        return result.errors ? 1 : 0;
}
