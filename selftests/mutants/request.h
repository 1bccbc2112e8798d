/* The head of a request: read until its end, and no further than there is room. A silent client is waited for, for as
 * long as it is there. */

enum { HEAD_MAX = 8192 };

#if defined MUTANT_NO_F_AFTER_RESET || defined MUTANT_SLOTS_LEAK_ON_RESET || defined MUTANT_FILES_LEAK_ON_RESET
#define RESETS_MATTER
static bool was_reset; /* the last client */
#endif

enum outcome { COMPLETE, TOO_LARGE, GONE };

struct request {
    char bytes[HEAD_MAX + 1];
    size_t length; /* what has been read */
    size_t end;    /* where the head ends; what lies beyond is another request, or a body */
};

#ifdef MUTANT_ACCEPTS_AHEAD
static void wait_and_accept_ahead(int client); /* child.h */
#endif

#ifdef MUTANT_K_DROPS_BUSY
/* Looks at the channel while it waits for the request, too, and obeys at once. */
static void wait_or_end(int client)
{
    struct pollfd both[2] = {{.fd = client, .events = POLLIN}, {.fd = channel, .events = POLLIN}};
    while (poll(both, 2, -1) >= 0 && !both[0].revents)
        if (told_to_end())
            _exit(0);
}
#endif

#ifdef READS_K_IN_SERVICE /* which is sound */
static bool told_in_service;

/* Looks at the channel while it waits for the request, too, and obeys when it is through. */
static void wait_and_remember(int client)
{
    struct pollfd both[2] = {{.fd = client, .events = POLLIN}, {.fd = channel, .events = POLLIN}};
    while (poll(both, told_in_service ? 1 : 2, -1) >= 0 && !both[0].revents)
        told_in_service = told_in_service || told_to_end();
}
#endif

static size_t end_of_head(const char *bytes)
{
    const char *crlf = strstr(bytes, "\r\n\r\n"), *lf = strstr(bytes, "\n\n");
#ifdef MUTANT_BLANK_LINE_AT_END
    size_t length = strlen(bytes);
    return length >= 4 && strcmp(bytes + length - 4, "\r\n\r\n") == 0 ? length : 0;
#endif
    if (crlf && (!lf || crlf < lf))
        return (size_t)(crlf - bytes) + 4;
#ifdef MUTANT_REPLIES_AFTER_FIRST_LINE
    if (strchr(bytes, '\n'))
        return (size_t)(strchr(bytes, '\n') - bytes) + 1;
#endif
#ifdef MUTANT_REPLIES_AFTER_FIRST_SEGMENT
    return strlen(bytes);
#endif
    return lf ? (size_t)(lf - bytes) + 2 : 0;
}

#ifdef MUTANT_COUNTS_SEGMENTS
static int segments; /* of the last head */
#endif

static enum outcome read_head(int client, struct request *request)
{
#ifdef MUTANT_COUNTS_SEGMENTS
    segments = 0;
#endif
#ifdef MUTANT_DROPS_CLIENT_WHEN_CONTINUED
    struct timeval patience = {.tv_sec = 30}; /* and a read that has a time-out ends with EINTR after a stop */
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
#endif
#if defined MUTANT_GIVES_UP_AFTER_20_READS || defined MUTANT_LOCKS_FROM_FIFTH_READ
    int reads = 0;
#endif
    request->bytes[request->length] = '\0';
    while ((request->end = end_of_head(request->bytes)) == 0) {
#ifdef MUTANT_LONG_HEAD_ANSWERED_EARLY
        if (request->length >= 1023)
            return COMPLETE; /* the buffer is full: this must be it */
#endif
#ifdef MUTANT_GIVES_UP_AFTER_20_READS
        if (++reads > 20)
            return GONE;
#endif
        if (request->length == HEAD_MAX) {
#ifdef MUTANT_OVERSIZED_KILLS
            raise(SIGSEGV); /* strcat() into a fixed array, in short */
#endif
            return TOO_LARGE;
        }
#ifdef MUTANT_ACCEPTS_AHEAD
        wait_and_accept_ahead(client);
#endif
#ifdef MUTANT_K_DROPS_BUSY
        wait_or_end(client);
#endif
#ifdef READS_K_IN_SERVICE
        wait_and_remember(client);
#endif
#ifdef MUTANT_SPINS_OVER_K
        struct pollfd both[2] = {{.fd = client, .events = POLLIN}, {.fd = channel, .events = POLLIN}};
        while (poll(both, 2, -1) >= 0 && !both[0].revents) {
            /* K is for later: it stays where it is, and wakes it again */
        }
#endif
        send_while_silent(client);
        ssize_t n = recv(client, request->bytes + request->length, HEAD_MAX - request->length, 0);
#if !defined MUTANT_DROPS_CLIENT_ON_SIGNAL && !defined MUTANT_DROPS_CLIENT_WHEN_CONTINUED
        if (n < 0 && errno == EINTR)
            continue;
#endif
#ifdef MUTANT_READS_IN_TURN
        if (request->length == 0 && n > 0)
            set_lock(F_WRLCK); /* about the parser, which has but one buffer, until the head is whole */
#endif
#ifdef MUTANT_LOCKS_FROM_FIFTH_READ
        if (++reads == 5)
            set_lock(F_WRLCK); /* a slow one is spooled, to the one file that there is */
#endif
#ifdef MUTANT_EXITS_ON_RESET
        if (n < 0)
            _exit(1); /* "perror("recv"); exit(1);" */
#endif
#ifdef RESETS_MATTER
        was_reset = n < 0;
#endif
#ifdef MUTANT_UNFINISHED_HANGS
        while (n == 0 && request->length > 0) /* "read until a newline", with no thought of the end */
            pause();
#endif
#ifdef MUTANT_UNFINISHED_SPINS
        if (n == 0 && request->length > 0)
            continue;
#endif
#ifdef VARIANT_END_OF_INPUT_ENDS_HEAD
        if (n == 0 && request->length > 0)
            return COMPLETE; /* "while (fgets(…) && strcmp(line, "\r\n"))": the end of the file ends it, too */
#endif
        if (n <= 0)
            return GONE;
#ifdef MUTANT_COUNTS_SEGMENTS
        segments++;
#endif
        for (ssize_t i = 0; i < n; i++) /* a NUL would hide what follows it from strstr() */
            if (request->bytes[request->length + (size_t)i] == '\0')
                request->bytes[request->length + (size_t)i] = ' ';
        request->length += (size_t)n;
        request->bytes[request->length] = '\0';
    }
    return COMPLETE;
}
