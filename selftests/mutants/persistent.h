/* What may follow the first response on a connection. In the sound server: nothing. */

#if defined MUTANT_KEEPS_ALIVE_10 || defined MUTANT_KEEPS_ALIVE_10_ASKED || defined MUTANT_KEEPS_ALIVE_10_CAPITALS || \
    defined MUTANT_KEEPS_ALIVE_11 || defined MUTANT_KEEPS_ALIVE_11_ASKED || defined MUTANT_NEVER_CLOSES

static bool kept_alive(const char *head)
{
#if defined MUTANT_KEEPS_ALIVE_10
    return strstr(head, "HTTP/1.0");
#elif defined MUTANT_KEEPS_ALIVE_10_ASKED
    return strstr(head, "HTTP/1.0") && strcasestr(head, "Connection: keep-alive");
#elif defined MUTANT_KEEPS_ALIVE_10_CAPITALS
    return strstr(head, "HTTP/1.0") && strstr(head, "Connection: Keep-Alive");
#elif defined MUTANT_KEEPS_ALIVE_11
    return strstr(head, "HTTP/1.1") && !strcasestr(head, "Connection: close");
#elif defined MUTANT_KEEPS_ALIVE_11_ASKED
    return strstr(head, "HTTP/1.1") && strcasestr(head, "Connection: keep-alive");
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

#elif defined MUTANT_ANSWERS_WHO_ASKS_AGAIN

/* Who has more to ask has a moment for it. */
static void serve_more(int client, struct request *request)
{
    struct pollfd news = {.fd = client, .events = POLLIN};
    request->length = 0;
    if (poll(&news, 1, 100) > 0 && read_head(client, request) == COMPLETE)
        reply(client, "200 OK");
}

#elif defined MUTANT_LENGTH_OF_ROOT

/* The length was that of "/"; any other page says which it is. */
static void serve_more(int client, struct request *request)
{
    if (!strstr(request->bytes, " / "))
        send_all(client, request->bytes);
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
