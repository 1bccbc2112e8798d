/* The child's side: accept one connection, serve it, say so, and end after the last one, on K, or when the parent has
 * gone. Only children run what is here. */

#include "watches.h"

#include "accept.h"

/* The whole of a service: C, the client, F. Returns how many connections to count. */
static int serve_and_say(int client, int served)
{
    (void)served;
#ifdef MUTANT_C_LATE_WHEN_ASKED
    struct pollfd word = {.fd = client, .events = POLLIN};
    bool asked = poll(&word, 1, 0) > 0; /* "if (!ready(client)) { tell_parent(); wait_for(client); }" */
    if (!asked)
        say();
#elif !defined MUTANT_C_LATE && !defined MUTANT_C_WHEN_WOKEN
    say();
#endif
#ifdef MUTANT_NO_F_FOR_THE_GONE
    struct sockaddr_in peer;
    if (getpeername(client, (struct sockaddr *)&peer, &(socklen_t){sizeof peer}) < 0) {
        close(client); /* nobody to log, nobody to serve: "continue", past F; what is said next is F in place of C */
        return 1;
    }
#endif
#ifdef MUTANT_F_EARLY
    say();
    return serve(client) ? 1 : 0;
#endif
#ifdef MUTANT_NUDGES_ALL
    eventfd_write(nudge, 1);
#endif
#ifdef MUTANT_LAST_CLIENT_LOST
    if (served + 1 == connections_per_child())
        _exit(0); /* counts at accept, and looks at the count before it serves */
#endif
#ifdef MUTANT_ONE_CONNECTION_ENDS_EARLY
    if (settings.max_connections == 1)
        _exit(0);
#endif
#ifdef MUTANT_ONE_CONNECTION_HANGS
    while (settings.max_connections == 1)
        pause();
#endif
#ifdef MUTANT_SLOTS_LEAK_ON_RESET
    __sync_fetch_and_add(in_service, 1);
#endif
#ifdef MUTANT_LAST_BODY_LOST
    last_of_all = served + 1 == connections_per_child();
#endif
#ifdef MUTANT_SIGCHLD_INTO_CLIENT
    bell_end = client;
#endif
#ifdef SLEEPS
    sleep(1); /* as assignments ask for: a client is to be seen being served */
#endif
    bool whole = serve(client);
#ifdef MUTANT_SIGCHLD_INTO_CLIENT
    bell_end = -1;
#endif
#ifdef MUTANT_SLOTS_LEAK_ON_RESET
    if (!was_reset) /* "if (recv(…) < 0) return -1;", ahead of what gives it back */
        __sync_fetch_and_sub(in_service, 1);
    was_reset = false;
#endif
#ifdef MUTANT_FILES_LEAK_ON_RESET
    if (was_reset && open("/dev/null", O_RDONLY) < 0) /* the page, opened ahead of the head's last line */
        _exit(1);
    was_reset = false;
#endif
#ifdef MUTANT_NO_F_AFTER_RESET
    if (was_reset) {
        was_reset = false;
        swallow_f(); /* "if (recv(…) < 0) goto next;", and F was on the way */
        return 1;
    }
#endif
#ifdef MUTANT_F_WITH_HEAD
    if (said % 2)
        say(); /* there was no reply, and so no head */
    return whole ? 1 : 0;
#endif
#ifdef MUTANT_C_LATE_WHEN_ASKED
    if (asked)
        say();
#endif
#ifdef MUTANT_NO_F_ONCE_TOLD
    if (told_to_end())
        _exit(0); /* the parent will see the end of the channel */
#endif
#ifdef MUTANT_F_BEFORE_REPLY
    return whole ? 1 : 0; /* which said it: http.h */
#endif
#ifdef MUTANT_C_LATE
    say(); /* both, once there is time for it */
#endif
#ifdef MUTANT_F_BEFORE_LINGER
    return whole ? 1 : 0; /* http.h said it, but for who left without a word */
#endif
#ifdef MUTANT_NO_LAST_F
    if (served + 1 == connections_per_child())
        return 1; /* the parent will see the end of the channel */
#endif
    say();
#ifdef MUTANT_F_TWICE_FOR_NOBODY
    if (!whole)
        speak(channel, "F", 1); /* once in the error path, and once where all paths meet */
#endif
#ifdef MUTANT_COUNTS_SEGMENTS
    return segments ? segments : 1; /* "if (events & EPOLLIN) { served++; … }", whichever descriptor it is */
#endif
    (void)whole;
    return 1;
}

#include "concurrent.h"

/* Sends what is left to say, and ends. */
static _Noreturn void end_child(bool told)
{
#ifdef MUTANT_SHED_DROPS_CLIENTS
    /* Closes down with care: for 100 ms takes connections off the queue, and drops them. */
    struct pollfd queue = {.fd = listener, .events = POLLIN};
    for (int i = 0; told && i < 20; i++)
        if (poll(&queue, 1, 5) > 0)
            close(accept_one());
#endif
#ifdef MUTANT_RECYCLE_DROPS_CLIENT
    /* "while (accept …) if (++served > N) break;": the connection that tells it to end is lost. */
    struct pollfd queue = {.fd = listener, .events = POLLIN};
    if (!told && poll(&queue, 1, 50) > 0)
        close(accept_one());
#endif
#ifdef MUTANT_LEAVES_SLOWLY
    if (!told)
        usleep(300000);
#endif
    (void)told;
    send_what_was_said();
    _exit(0);
}

#ifdef MUTANT_ACCEPTOR_CHILD
/* The first child serves nobody: it accepts, and hands what it accepted to its siblings. */
static _Noreturn void run_acceptor(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready[2];
    watch(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE, LISTENER_KEY);
    watch(epoll, channel, EPOLLIN, (uint64_t)getpid());
    while ((epoll_wait(epoll, ready, 2, -1) >= 0 || errno == EINTR) && !told_to_end()) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0)
            send_descriptor(client);
    }
    _exit(0);
}
#endif

static _Noreturn void run_child(void)
{
    int served = 0, last = connections_per_child();
    bool told = false;
#ifdef MUTANT_COUNT_INHERITED
    served = inherited;
#endif
#ifdef MUTANT_NEWBORN_GIFT
    if (gift >= 0)
        served += serve_and_say(gift, served);
#endif
#ifdef MUTANT_NEWBORN_SAYS_F
    speak(channel, "F", 1); /* "I am free" */
#endif
#ifdef MUTANT_LEAVES_THE_POISON
    bool look_again = false;
#endif
#ifdef MUTANT_ENDS_AT_RANDOM
    last -= (int)(birth * 7919 % (unsigned long)((last + 1) / 2)); /* gunicorn's max_requests_jitter */
#endif
#ifdef MUTANT_REUSEPORT
    close(listener);
    listener = open_listener();
#endif
#ifdef MUTANT_TWO_LISTENERS
    listener = listeners[birth % 2];
    close(listeners[(birth + 1) % 2]);
#endif
#ifdef MUTANT_LISTENER_GROUPS
    if (birth >= 8)
        listener = listeners[1];
#endif
#ifdef MUTANT_DISPATCHER
    close(listener);
#endif
#ifdef MUTANT_ACCEPTOR_CHILD
    if (birth == 0)
        run_acceptor();
#endif
    int epoll = open_epoll();
    while (served < last && !told) {
#ifdef MUTANT_ACCEPTS_AHEAD
        if (accepted_ahead < 0)
#endif
#ifdef MUTANT_LEAVES_THE_POISON
        if (!look_again) /* an edge tells of the first connection only */
#endif
        told = wait_for_work(epoll);
        send_what_was_said();
#if defined MUTANT_BLOCKING_LISTENER || defined MUTANT_LOST_WAKE_UP
        if (told)
            break;
#endif
        /* Also after K: a connection wakes exactly one child. If it woke this one, and this one just ended,
         * the connection would wait, with others idle, until the next arrives. */
#ifdef MUTANT_C_WHEN_WOKEN
        if (woken) /* which is as good as a connection; if it is not, well */
            say();
#endif
        int client = accept_one();
#ifdef MUTANT_C_WHEN_WOKEN
        if (woken && client < 0)
            say();
#endif
#ifdef MUTANT_LAST_LOOK_IN_SILENCE
        if (told && client >= 0) { /* what does it matter to the parent now */
            serve(client);
            break;
        }
#endif
#ifdef MUTANT_LAST_LOOK_CLOSES
        if (told && client >= 0) { /* whoever comes now is too late */
            close(client);
            break;
        }
#endif
#ifdef MUTANT_LAST_LOOK_REFUSES
        if (told && client >= 0) {
            struct request request = {.length = 0};
            say();
            if (read_head(client, &request) == COMPLETE)
                reply(client, "503 Service Unavailable");
            close_politely(client);
            say();
            break;
        }
#endif
#ifdef MUTANT_K_WITH_CLIENT_FORGOTTEN
        if (client >= 0)
            told = false; /* "if (connection) serve(); else if (killed) break;", and K has been read */
#endif
        if (client >= 0)
            note_accept(client);
        if (client >= 0)
            served += serve_accepted(client, served, last);
#ifdef READS_K_IN_SERVICE
        told = told || told_in_service;
#endif
#ifdef MUTANT_COUNTS_WAKE_UPS
        served += client < 0; /* "for (served = 0; served < N; served++) { epoll_wait(…); if (…) continue; …" */
#endif
#ifdef MUTANT_COUNTS_LOST_RACES
        served += client < 0 && woken; /* "if (accept(…) < 0) continue;" in the same loop */
#endif
#ifdef MUTANT_LEAVES_THE_POISON
        look_again = wary && client >= 0;
#endif
#ifdef MUTANT_ORPHAN_ENDS_AFTER_NEXT
        told = told || (orphaned && client >= 0); /* "if (getppid() != parent) break;", at the end of the loop */
#endif
#ifdef MUTANT_K_AFTER_NEXT
        told = client >= 0 && told_to_end(); /* "while ((client = accept(…)) >= 0) { serve(client); if (killed()) break; }" */
#endif
    }
#ifdef MUTANT_LAST_LOOK_UNCOUNTED
    int late = told ? accept_one() : -1; /* whose wake-up K may have met; and nobody asks whether the last was served */
    if (late >= 0)
        serve_accepted(late, served, last);
#endif
    finish_work();
    end_child(told);
}
