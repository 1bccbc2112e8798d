/* How a child goes about an accepted connection. The sound one: it serves it, and looks at nothing else until
 * it is done. The others serve several at a time, each in its own way. */

#if defined MUTANT_THREAD_PER_CONNECTION

static volatile int threads;

static void *serve_in_thread(void *client)
{
    serve((int)(intptr_t)client);
    send(channel, "F", 1, MSG_NOSIGNAL);
    __sync_fetch_and_sub(&threads, 1);
    return NULL;
}

static int serve_accepted(int client, int served, int last)
{
    pthread_t thread;
    (void)served, (void)last;
    send(channel, "C", 1, MSG_NOSIGNAL);
    __sync_fetch_and_add(&threads, 1);
    pthread_create(&thread, NULL, serve_in_thread, (void *)(intptr_t)client);
    pthread_detach(thread);
    return 1;
}

static void finish_work(void)
{
    while (threads > 0)
        usleep(1000);
}

#elif defined MUTANT_FORK_PER_CONNECTION

static int serve_accepted(int client, int served, int last)
{
    (void)served, (void)last;
    signal(SIGCHLD, SIG_IGN);
    send(channel, "C", 1, MSG_NOSIGNAL);
    if (fork() == 0) {
        serve(client);
        send(channel, "F", 1, MSG_NOSIGNAL);
        _exit(0);
    }
    close(client);
    return 1;
}

static void finish_work(void)
{
}

#elif defined MUTANT_ACCEPTS_ALL

/* Takes all that is pending into a queue of its own, and serves one after another. */
static int serve_accepted(int client, int served, int last)
{
    int queue[64] = {client}, length = 1;
    while (length < 64 && served + length < last && (client = accept_one()) >= 0)
        queue[length++] = client;
    for (int i = 0; i < length; i++)
        serve_and_say(queue[i], served + i);
    return length;
}

static void finish_work(void)
{
}

#else

static int serve_accepted(int client, int served, int last)
{
    (void)last;
    int count = serve_and_say(client, served);
#ifdef MUTANT_SERIALISED
    set_lock(F_UNLCK);
#endif
    return count;
}

static void finish_work(void)
{
#ifdef MUTANT_ACCEPTS_AHEAD
    if (accepted_ahead >= 0)
        serve_and_say(accepted_ahead, 0);
#endif
}

#endif
