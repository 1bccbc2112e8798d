/* The command lines of tick.c: positional, without the port, or by options. */

static void wrong(const char *what)
{
    fprintf(stderr, "tick: %s\n", what);
    exit(64);
}

static void check(void)
{
    if (port < 1 || port > 65535)
        wrong("the port is to be 1 to 65535");
    if (min_spare < 1 || max_spare < min_spare)
        wrong("1 <= min_spare <= max_spare, please");
    if (max_requests < 1)
        wrong("a child is to serve one request at least");
    if (max_children < 1 || max_children > SLOTS)
        wrong("too many children, or none");
}

static void arguments(int argc, char **argv)
{
#ifdef VARIANT_OPTIONS
    static const struct option options[] = {
        {"port", 1, NULL, 'p'}, {"min", 1, NULL, 'a'},   {"max", 1, NULL, 'b'}, {"req", 1, NULL, 'r'},
        {"limit", 1, NULL, 'l'}, {"start", 1, NULL, 's'}, {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "p:", options, NULL)) != -1;)
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'a': min_spare = atoi(optarg); break;
        case 'b': max_spare = atoi(optarg); break;
        case 'r': max_requests = atoi(optarg); break;
        case 'l': max_children = atoi(optarg); break;
        case 's': start_servers = atoi(optarg); break;
        default: wrong("-p PORT --min A --max B --req N [--start S] [--limit M]");
        }
#else
    int i = 1;
#ifndef VARIANT_FIXED_PORT
    if (argc > i)
        port = atoi(argv[i++]);
#endif
    if (argc < i + 3)
        wrong("[PORT] MIN MAX REQUESTS [LIMIT]");
    min_spare = atoi(argv[i]);
    max_spare = atoi(argv[i + 1]);
    max_requests = atoi(argv[i + 2]);
    if (argc > i + 3)
        max_children = atoi(argv[i + 3]);
#endif
    check();
#if defined VARIANT_STARTS_AT_ONE
    start_servers = 1;
#elif defined VARIANT_STARTS_AT_MAX
    start_servers = max_spare;
#endif
    if (start_servers < 1)
        start_servers = min_spare;
}
