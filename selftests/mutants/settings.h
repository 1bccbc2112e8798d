/* The command line: PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS [MAX_CHILDREN], read and refused here. */

enum { MOST_CHILDREN = 1024 };

struct settings {
    int port, min_spare, max_spare, max_connections, max_children;
};

static struct settings settings;

static int at_most(int value, int limit)
{
    return value < limit ? value : limit;
}

/* Children left behind by a mutant are not left for ever: each has an alarm clock. */
static void leave_a_child_behind(void)
{
    if (fork() == 0) {
        alarm(60);
        for (;;)
            pause();
    }
}

static void refuse(const char *why, const char *text)
{
    (void)why, (void)text;
#ifndef MUTANT_REFUSES_SILENTLY
    fprintf(stderr, "prefork: %s: %s\n", why, text);
#endif
#ifdef MUTANT_REFUSES_LEAVING_CHILDREN
    leave_a_child_behind();
#endif
#ifdef MUTANT_REFUSES_WITH_STATUS_0
    exit(0);
#endif
    exit(2);
}

static int number(const char *text, const char *why, long lowest, long highest)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < lowest || value > highest)
        refuse(why, text);
    return (int)value;
}

static void read_settings(int argc, char **argv)
{
    if (argc != 5 && argc != 6)
        refuse("expected PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS [MAX_CHILDREN]", "");

    long highest_port = 65535, fewest_connections = 1;
#ifdef MUTANT_ALLOWS_PORT_70000
    highest_port = INT_MAX; /* htons() then makes 4464 of it */
#endif
#ifdef MUTANT_ALLOWS_NO_CONNECTIONS
    fewest_connections = strcmp(argv[4], "0") == 0 ? 0 : 1;
#endif
#ifdef MUTANT_ALLOWS_NEGATIVE_CONNECTIONS
    fewest_connections = strcmp(argv[4], "0") == 0 ? 1 : INT_MIN;
#endif

    settings.port = number(argv[1], "port out of range", 1, highest_port);
    settings.min_spare = number(argv[2], "min_spare out of range", 1, MOST_CHILDREN);
    settings.max_spare = number(argv[3], "max_spare out of range", 1, MOST_CHILDREN);
    settings.max_connections = number(argv[4], "max_connections out of range", fewest_connections, INT_MAX);
    settings.max_children = argc == 6 ? number(argv[5], "max_children out of range", 1, MOST_CHILDREN) : 256;

#ifdef MUTANT_REFUSES_EQUAL_BOUNDS
    if (settings.max_spare == settings.min_spare)
        refuse("max_spare is to be more than min_spare", argv[3]);
#endif
#ifndef MUTANT_ALLOWS_MAX_BELOW_MIN
    if (settings.max_spare < settings.min_spare)
        refuse("max_spare is less than min_spare", argv[3]);
#endif

#ifdef MUTANT_PORT_PLUS_1
    settings.port++;
#endif
#ifdef MUTANT_PORT_IGNORED
    settings.port = 8080;
#endif
#ifdef MUTANT_SPARES_HARD_CODED
    settings.min_spare = 2;
    settings.max_spare = 4;
#endif
}

/* How many connections a child serves before it is recycled: parent and child both ask here. */
static int connections_per_child(void)
{
    int n = settings.max_connections;
#ifdef MUTANT_ONE_MORE
    return n + 1;
#endif
#ifdef MUTANT_ONE_LESS
    return n > 1 ? n - 1 : 1;
#endif
#ifdef MUTANT_QUOTA_IN_A_BYTE
    return (unsigned char)n;
#endif
#ifdef MUTANT_COUNTS_EVERY_OTHER
    return 2 * n;
#endif
#ifdef MUTANT_COUNTS_IN_A_BYTE
    return n <= UCHAR_MAX ? n : INT_MAX; /* "unsigned char served": comes to 0 again, and never to N */
#endif
#ifdef MUTANT_TWO_CONNECTIONS_END_EARLY
    return n == 2 ? 1 : n;
#endif
#ifdef MUTANT_NEVER_RECYCLES
    return INT_MAX;
#endif
#ifdef MUTANT_CONNECTIONS_HARD_CODED
    return 5;
#endif
#ifdef MUTANT_ONE_CONNECTION_NEVER_RECYCLES
    return n == 1 ? INT_MAX : n; /* "while (--left > 0)" with left unsigned: at 1 it never comes true */
#endif
    return n < 1 ? INT_MAX : n; /* below 1 only in mutants that allow it: unlimited */
}
