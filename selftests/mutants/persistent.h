/* What may follow the first response on a connection. In the sound server: nothing. */

#if defined MUTANT_KEEPS_ALIVE_10 || defined MUTANT_KEEPS_ALIVE_10_ASKED || defined MUTANT_KEEPS_ALIVE_11 || \
    defined MUTANT_NEVER_CLOSES

static bool kept_alive(const char *head)
{
#if defined MUTANT_KEEPS_ALIVE_10
    return strstr(head, "HTTP/1.0");
#elif defined MUTANT_KEEPS_ALIVE_10_ASKED
    return strstr(head, "HTTP/1.0") && strcasestr(head, "Connection: keep-alive");
#elif defined MUTANT_KEEPS_ALIVE_11
    return strstr(head, "HTTP/1.1") && !strcasestr(head, "Connection: close");
#else
    return head; /* whatever was asked */
#endif
}

static void serve_more(int client, struct request *request)
{
#ifndef MUTANT_NEVER_CLOSES
    struct timeval patience = {.tv_sec = 5};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
#endif
    while (kept_alive(request->bytes)) {
        request->length -= request->end;
        memmove(request->bytes, request->bytes + request->end, request->length);
        if (read_head(client, request) != COMPLETE)
            return;
        reply(client, "200 OK");
    }
}

#elif defined MUTANT_ANSWERS_PIPELINED

/* The second request is in the buffer already: it gets its own response, then the connection closes. */
static void serve_more(int client, struct request *request)
{
    size_t next;
    while ((next = end_of_head(request->bytes + request->end)) > 0) {
        request->end += next;
        reply(client, "200 OK");
    }
}

#else

static void serve_more(int client, struct request *request)
{
    (void)client;
    (void)request;
}

#endif
