/* The parent's side: the table of children, what they say, their ends, and the loop. How many there are to be is
 * decided in regulate.h. */

#if defined MUTANT_NEVER_REAPS || defined MUTANT_REAPS_ONE_PER_SIGNAL
#define FREED_AT_END_OF_CHANNEL /* as the wait status may never be asked for */
#endif

enum state { EMPTY, IDLE, BUSY, LEAVING };

struct child {
    enum state state;
    pid_t pid;
    int channel;
    int served;          /* by the Fs that came */
    bool told;           /* K was sent */
    unsigned long birth; /* how many were spawned before */
    long born;           /* milliseconds */
};

static struct child pool[MOST_CHILDREN];
static unsigned long births;
static int owed; /* recycled children whose place is to be taken */
static int epoll = -1;
static volatile sig_atomic_t child_ended, asked_to_end;
static bool connected;  /* a C came */
static bool heard_any;  /* any message came */
static long recycled_at; /* milliseconds */

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int count(enum state state)
{
    int n = 0;
    for (int i = 0; i < MOST_CHILDREN; i++)
        n += pool[i].state == state;
    return n;
}

static void on_signal(int number)
{
#ifdef MUTANT_TERM_IGNORED
    if (number == SIGTERM)
        return;
#endif
    if (number == SIGCHLD)
        child_ended = 1;
    else if (number == SIGTERM || number == SIGINT)
        asked_to_end = 1;
}

#include "parent_accepts.h"

/* Newborn child. Ends of its siblings' channels would keep those open after the parent's death. */
static _Noreturn void become_child(int end, unsigned long rank)
{
    for (int i = 0; i < MOST_CHILDREN; i++)
#ifndef MUTANT_ENDS_INHERITED
        if (pool[i].state != EMPTY && pool[i].channel >= 0)
            close_channel(pool[i].channel);
#else
        {
        }
#endif
    close(epoll);
    drop_parents_client();
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
#ifdef MUTANT_CHILD_MAKES_CHANNEL
    end = make_channel_in_child(end);
#endif
    channel = end;
    birth = rank;
    run_child();
}

static bool spawn(void)
{
    int pair[2], slot = 0;
    while (slot < MOST_CHILDREN && pool[slot].state != EMPTY)
        slot++;
    if (slot == MOST_CHILDREN || !make_channel(pair))
        return false;
#ifdef MUTANT_TAKES_TURNS
    take_part(slot);
#endif
    pid_t pid = fork();
    if (pid == 0) {
#ifndef MUTANT_CHILD_KEEPS_BOTH
        close_channel(pair[0]);
#endif
        become_child(pair[1], births);
    }
#ifndef MUTANT_PARENT_KEEPS_BOTH
    close_channel(pair[1]);
#endif
    if (pid < 0) {
        close_channel(pair[0]);
        return false;
    }
#ifdef MUTANT_CHILD_MAKES_CHANNEL
    int ours = take(pair[0]);
    close(pair[0]);
    pair[0] = ours;
#endif
    pool[slot] = (struct child){.state = IDLE, .pid = pid, .channel = pair[0], .birth = births++, .born = now()};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)slot};
#ifdef MUTANT_ACCEPTOR_CHILD
    if (births == 1)
        pool[slot].state = LEAVING; /* the one that accepts is not one of those that serve */
#endif
#ifdef MUTANT_PARENT_SKIPS_NEWBORNS
    if (births > (unsigned long)settings.min_spare)
        return true; /* "for (i = 0; i < start_servers; i++) epoll_ctl(…)" */
#endif
    epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event);
    return true;
}

static void dismiss(struct child *child)
{
#if defined MUTANT_TERM_FOR_K
    kill(child->pid, SIGTERM);
#elif defined MUTANT_K_TWICE
    speak(child->channel, "KK", 2);
#elif defined MUTANT_K_WITH_NEWLINE
    speak(child->channel, "K\n", 2);
#else
    speak(child->channel, "K", 1);
#endif
    child->told = true;
    child->state = LEAVING;
}

/* A child has ended, and its last words were heard. */
static void forget(struct child *child, bool by_itself)
{
    bool recycled = by_itself && !child->told;
#ifdef MUTANT_RECYCLED_NOT_REPLACED
    if (recycled) { /* its last word was F: in the books it is idle for ever */
        *child = (struct child){.state = IDLE, .channel = -1};
        return;
    }
#endif
    if (recycled) {
        owed++;
        any_recycled = true;
        recycled_at = now();
    }
#if defined MUTANT_CHANNELS_LEAKED || defined MUTANT_ENDS_INHERITED
    epoll_ctl(epoll, EPOLL_CTL_DEL, child->channel, NULL); /* closing alone would not, where siblings hold it */
#endif
#if defined MUTANT_CHANNELS_LEAKED
#elif !defined MUTANT_SPINS_ON_ENDED_CHANNEL
    if (child->channel >= 0)
        close_channel(child->channel);
#endif
    child->state = EMPTY;
#ifdef MUTANT_TAKES_TURNS
    drop_out((int)(child - pool));
#endif
}

static void connection_accepted(struct child *child)
{
    connected = true;
    connection_taken();
    if (child->state == IDLE)
        child->state = BUSY;
#ifdef MUTANT_PARENT_NUDGES_ALL
    for (int i = 0; i < MOST_CHILDREN; i++)
        if (pool[i].state == IDLE)
            kill(pool[i].pid, SIGUSR1);
#endif
}

static void connection_serviced(struct child *child)
{
    child->served++;
    if (child->state == BUSY)
        child->state = IDLE;
#if !defined MUTANT_COUNTS_ONLY_REQUESTS
    if (child->served >= connections_per_child())
        child->state = LEAVING; /* it ends by itself: not idle, and not to be told */
#endif
}

static void hear(struct child *child)
{
    char bytes[64];
    ssize_t n = 0;
    if (child->state == EMPTY || child->channel < 0)
        return;
    while ((n = listen_to(child->channel, bytes, sizeof bytes)) > 0) {
        heard_any = true;
#ifdef MUTANT_BURST_AS_ONE
        n = 1; /* "read(fd, buffer, sizeof buffer); if (buffer[0] == 'C') …" */
#endif
#ifdef MUTANT_ABORTS_ON_UNKNOWN
        for (ssize_t i = 0; i < n; i++)
            if (!strchr("CF", bytes[i]))
                abort(); /* default: assert(!"cannot happen") */
#endif
        for (ssize_t i = 0; i < n; i++) { /* what came together counts one by one; other bytes mean nothing */
            if (bytes[i] == 'C')
                connection_accepted(child);
            else if (bytes[i] == 'F')
                connection_serviced(child);
        }
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
#ifdef FREED_AT_END_OF_CHANNEL
        forget(child, true);
        return;
#endif
#if defined MUTANT_CHANNELS_LEAKED || defined MUTANT_ENDS_INHERITED
        epoll_ctl(epoll, EPOLL_CTL_DEL, child->channel, NULL);
#endif
#if defined MUTANT_CHANNELS_LEAKED
#elif !defined MUTANT_SPINS_ON_ENDED_CHANNEL
        close_channel(child->channel);
        child->channel = -1;
#endif
        child->state = LEAVING; /* until it is reaped it is still alive, for max_children */
    }
}

static void reap(void)
{
    int status;
    pid_t pid;
    child_ended = 0;
#ifdef MUTANT_NEVER_REAPS
    return;
#endif
#ifdef MUTANT_REAPS_ONE_PER_SIGNAL
    pid = waitpid(-1, &status, WNOHANG); /* signals that come together are one */
    return;
#endif
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < MOST_CHILDREN; i++)
            if (pool[i].state != EMPTY && pool[i].pid == pid) {
#ifndef MUTANT_LAST_WORDS_UNHEARD
                hear(&pool[i]);
#endif
                forget(&pool[i], WIFEXITED(status) && WEXITSTATUS(status) == 0);
            }
}

#include "regulate.h"

/* Asked to end: all children first, then the parent. One that is stopped gets SIGKILL after a second. */
static void end_pool(void)
{
    asked_to_end = 0;
#ifdef MUTANT_TERM_LEAVES_CHILDREN
    _exit(0);
#endif
    for (int i = 0; i < MOST_CHILDREN; i++) {
#ifdef MUTANT_TERM_FORGETS_ONE
        if (pool[i].birth + 1 == births)
            continue;
#endif
        if (pool[i].state != EMPTY && pool[i].pid > 0)
            kill(pool[i].pid, SIGTERM);
    }
#ifdef MUTANT_TERM_ENDS_CHILDREN_ONLY
    return;
#endif
#ifdef MUTANT_TERM_FORGETS_ONE
    _exit(0);
#endif
    for (int waited = 0; waited < 100; waited++) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        if (waitpid(-1, NULL, WNOHANG) < 0)
            exit(0);
        usleep(10000);
    }
    for (int i = 0; i < MOST_CHILDREN; i++)
        if (pool[i].state != EMPTY && pool[i].pid > 0)
            kill(pool[i].pid, SIGKILL);
    exit(0);
}

#include "wait.h"

static _Noreturn void run_parent(void)
{
    sigset_t ours, none;
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&none);
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, NULL); /* let in only while the parent waits: no signal falls between */
    sigaction(SIGCHLD, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    start();
    for (int due = regulate();; due = regulate()) {
        wait_for_messages(due, &none);
        if (asked_to_end)
            end_pool();
        if (child_ended)
            reap();
    }
}
