/* One connection: read a request's head, send one dummy response, close without a reset.
 * It knows nothing of the pool, but that there may be something left to say. A silent client is waited for, for as long
 * as it is there. */

#include "request.h"

/* METHOD SP TARGET SP HTTP/1.x: all that a server with a dummy response needs to tell. */
static bool well_formed(const char *head)
{
    char method[16];
    int minor;
    return sscanf(head, "%15[A-Z] %*s HTTP/1.%d", method, &minor) == 2;
}

static void send_all(int client, const char *text)
{
#ifdef MUTANT_SIGPIPE_KILLS
    /* Head and body by write(), which raises SIGPIPE where the client has gone; and nobody ignores that. */
    const char *body = strstr(text, "\r\n\r\n") + 4;
    if (write(client, text, (size_t)(body - text)) < 0 || write(client, body, strlen(body)) < 0)
        return;
    return;
#endif
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = send(client, text, left, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* the client has gone: nothing is owed to it */
        text += n;
        left -= (size_t)n;
    }
}

#ifdef MUTANT_LAST_BODY_LOST
static bool last_of_all; /* the N-th connection */
#endif

static void reply(int client, const char *status)
{
#ifdef MUTANT_LENGTH_OF_FIRST_REPLY
    static int replies;
    static size_t length;
    char body[32];
    snprintf(body, sizeof body, "hello %d\n", ++replies); /* the tenth is a byte longer */
    length = length ? length : strlen(body);
#else
    static const char body[] = "hello\n";
#endif
    char text[256];
    const char *head = "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s";
    size_t declared = strlen(body);
#ifdef MUTANT_LENGTH_OF_FIRST_REPLY
    declared = length;
#endif
#ifdef MUTANT_LENGTH_TOO_SHORT
    declared -= 2;
#endif
#ifdef MUTANT_LENGTH_TOO_LONG
    declared += 1; /* sizeof counts the NUL */
#endif
#ifdef MUTANT_NO_STATUS_LINE
    head = "Content-Type: text/plain\r\nX-Status: %s\r\nContent-Length: %zu\r\n\r\n%s";
#endif
#ifdef MUTANT_BARE_TEXT
    head = "%1$.0s%2$.0zu%3$s\n";
    declared = 0;
#endif
#ifdef MUTANT_NO_END_OF_HEAD
    head = "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n%s";
#endif
#ifdef MUTANT_NO_STATUS_CODE
    head = "HTTP/1.1 %1$.0sOK\r\nContent-Type: text/plain\r\nContent-Length: %2$zu\r\n\r\n%3$s";
#endif
#ifdef MUTANT_LINE_FEEDS_ONLY
    head = "HTTP/1.1 %s\nContent-Type: text/plain\nContent-Length: %zu\nConnection: close\n\n%s";
#endif
#ifdef MUTANT_CHUNKED_FOR_ALL
    head = "HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n";
#endif
#if defined MUTANT_KEEPS_ALIVE_10 || defined MUTANT_KEEPS_ALIVE_10_ASKED || defined MUTANT_KEEPS_ALIVE_11
    head = "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: keep-alive\r\n\r\n%s";
#endif
    snprintf(text, sizeof text, head, status, declared, body);
#ifdef MUTANT_LAST_BODY_LOST
    if (last_of_all)
        *(strstr(text, "\r\n\r\n") + 4) = '\0'; /* it ends without fflush() */
#endif
#ifdef MUTANT_F_WITH_HEAD
    char *rest = strstr(text, "\r\n\r\n") + 4, first = *rest;
    *rest = '\0';
    send_all(client, text);
    say(); /* the head tells that all went well */
    *rest = first;
    send_all(client, rest);
    return;
#endif
    send_all(client, text);
}

/* close() with unread bytes sends a reset, which may overtake the reply: first our end, then what the client
 * still says, then close. A client that keeps its end open costs the child no more than the patience here. */
static void close_politely(int client)
{
    struct timeval patience = {.tv_usec = 200000};
    char rest[16384];
#ifdef MUTANT_LINGERS_UNDER_LOCK
    set_lock(F_WRLCK); /* about the log, which gets its line when the client has closed */
#endif
    shutdown(client, SHUT_WR);
#ifdef MUTANT_F_BEFORE_LINGER
    say(); /* it has its reply; what is left is a matter of form */
    patience.tv_sec = 3;
#endif
#if !defined MUTANT_WAITS_FOR_FIN && !defined MUTANT_LINGERS_UNDER_LOCK
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
#endif
    ssize_t n = 1;
    for (int reads = 0; reads < 64 && (n > 0 || (n < 0 && errno == EINTR)); reads++)
        n = recv(client, rest, sizeof rest, 0);
#ifdef MUTANT_LINGERS_UNDER_LOCK
    set_lock(F_UNLCK);
#endif
#ifdef MUTANT_BLOCKING_LINGER
    struct linger until_it_is_there = {.l_onoff = 1, .l_linger = 30};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &until_it_is_there, sizeof until_it_is_there);
#endif
    close(client);
}

#include "persistent.h"

/* Serve one connection, and close it. Returns whether a whole request was read. */
static bool serve(int client)
{
    struct request request = {.length = 0};
#ifdef MUTANT_REPLIES_UNREAD
    reply(client, "200 OK");
    close_politely(client);
    return true;
#endif
    enum outcome outcome = read_head(client, &request);
#ifdef MUTANT_LOCKS_FROM_FIFTH_READ
    set_lock(F_WRLCK); /* for a line in the log */
#endif
#if defined MUTANT_READS_IN_TURN || defined MUTANT_LOCKS_FROM_FIFTH_READ
    set_lock(F_UNLCK);
#endif
#ifdef MUTANT_TURNS_QUEUE_AWAY
    for (int other; (other = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;)
        close(other); /* "busy, come again" */
#endif
#ifdef MUTANT_EXITS_ON_HALF_CLOSE
    struct pollfd state = {.fd = client, .events = POLLRDHUP};
    if (outcome == COMPLETE && poll(&state, 1, 0) > 0)
        _exit(1); /* "client has gone", and a way out through the error path */
#endif
#ifdef MUTANT_LONG_METHOD_KILLS
    if (strcspn(request.bytes, " ") > 64)
        raise(SIGSEGV); /* strcpy() into char method[64], in short */
#endif
#ifdef MUTANT_ONE_BLANK_KILLS
    const char *path = strchr(request.bytes, ' ');
    if (outcome == COMPLETE && path && !strchr(path + 1, ' '))
        raise(SIGSEGV); /* "*strchr(path, ' ') = 0;": it found the first one, and there is always a second */
#endif
#ifdef MUTANT_MALFORMED_KILLS
    if (outcome == COMPLETE && !well_formed(request.bytes))
        raise(SIGSEGV); /* strtok() gave NULL */
#endif
#ifdef MUTANT_F_BEFORE_REPLY
    say(); /* C is out, and F is said while the answer is still being made */
#endif
    if (outcome == TOO_LARGE)
        reply(client, "431 Request Header Fields Too Large");
    else if (outcome == COMPLETE)
        reply(client, well_formed(request.bytes) ? "200 OK" : "400 Bad Request");
    if (outcome == COMPLETE)
        serve_more(client, &request);
    close_politely(client);
    return outcome == COMPLETE;
}
