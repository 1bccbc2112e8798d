/* The parent's side: the table of children, signals, and the loop. A child is spawned in spawn.h, heard in hear.h and
 * reaped in ended.h; how many there are to be is decided in regulate.h. */

#if defined MUTANT_NEVER_REAPS || defined MUTANT_REAPS_ONE_PER_SIGNAL || defined MUTANT_WAITS_AT_EVERY_SIGCHLD
#define FREED_AT_END_OF_CHANNEL /* as the wait status may never be asked for */
#endif
#if defined MUTANT_KILLED_STAYS_COUNTED || defined MUTANT_STOPS_REAPING_AT_KILLED || \
    defined MUTANT_NEWBORN_NOT_IN_TABLE || defined MUTANT_KILLED_WHILE_STOPPED || defined MUTANT_ENDS_WITHOUT_CHILDREN || \
    defined MUTANT_STRANGER_COUNTED || defined MUTANT_ABORTED_STAYS_COUNTED || defined MUTANT_FULL_BEFORE_REAPING || \
    defined MUTANT_STARTS_ANEW_AFTER_A_CRASH
#define FREED_ONLY_BY_WAIT /* as sound as by both; so a wait that goes wrong shows */
#endif

enum state { EMPTY, IDLE, BUSY, LEAVING };

struct child {
    enum state state;
    pid_t pid;
    int channel;
    int served;          /* by the Fs that came */
    bool told;           /* K was sent */
    bool stopped;        /* asked for by mutants only */
    unsigned long birth; /* how many were spawned before */
    long born;           /* milliseconds */
#ifdef MUTANT_NEWBORN_GIFT
    int gift;            /* the connection that it was born for, and our own copy of it */
#endif
};

static struct child pool[MOST_CHILDREN];
static unsigned long births;
static int strangers; /* mutants only: children that it had before it was a server, as exec keeps them */
static int owed; /* recycled children whose place is to be taken */
static int epoll = -1;
static volatile sig_atomic_t child_ended, asked_to_end;
static bool connected;  /* a C came */
static bool heard_any;  /* any message came */
#ifdef MUTANT_FULL_UNTIL_ONE_EXITS
static bool full;
#endif
#ifdef MUTANT_TICKS_IN_SILENCE
static bool heard_now; /* the last wait ended with news */
#endif
static long recycled_at; /* milliseconds */

/* What only mutants go by. */
static int killed;            /* children that died of a signal */
static int busy;              /* up with C, down with F, and by nothing else */
static int ended_for_idle;    /* busy ones whose end was taken for F */
static int failed_forks;
static bool bereaved;         /* somebody was killed since the last message */
static volatile pid_t chld_of; /* whom SIGCHLD told of */
static int parents_bell = -1;
static bool was_full;         /* before the dead were reaped */

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
#ifdef MUTANT_NEWBORN_RINGS_PARENTS_BELL
    if (number == SIGTERM) {
        eventfd_write(parents_bell, 1); /* a newborn has this one too */
        return;
    }
#endif
#ifdef MUTANT_NEWBORN_ENDS_SIBLINGS
    for (int i = 0; number == SIGTERM && i < MOST_CHILDREN; i++)
        if (pool[i].state != EMPTY && pool[i].pid > 0)
            kill(pool[i].pid, SIGTERM); /* a newborn has its own copy of the table */
#endif
#ifdef MUTANT_URGENT_MEANS_END
    if (number == SIGURG)
        asked_to_end = 1;
#endif
#ifdef MUTANT_SHEDS_BY_SIGNAL
    told_by_signal = number == SIGUSR1;
#endif
    if (number == SIGCHLD)
        child_ended = 1;
#ifdef CONSOLE
    else if (number == SIGINT)
        asked_to_report = 1;
#endif
    else if (number == SIGTERM || number == SIGINT)
        asked_to_end = 1;
}

#ifdef MUTANT_WAITS_FOR_THE_STOPPED
static void on_child(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    child_ended = 1;
    chld_of = info->si_pid;
}
#endif

#include "parent_accepts.h"

#include "spawn.h"

#include "hear.h"

#include "regulate.h"

#include "ended.h"

#include "wait.h"

#include "report.h"

static _Noreturn void run_parent(void)
{
    sigset_t ours, none;
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&none);
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
#ifdef MUTANT_URGENT_MEANS_END
    sigaddset(&ours, SIGURG);
    sigaction(SIGURG, &action, NULL);
#endif
    sigprocmask(SIG_BLOCK, &ours, NULL); /* let in only while the parent waits: no signal falls between */
    sigaction(SIGCHLD, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
#ifndef MUTANT_INT_BY_DEFAULT
    sigaction(SIGINT, &action, NULL);
#endif
    sigaction(SIGUSR1, &action, NULL);
#ifdef MUTANT_WAITS_FOR_THE_STOPPED
    sigaction(SIGCHLD, &(struct sigaction){.sa_sigaction = on_child, .sa_flags = SA_SIGINFO}, NULL);
#endif
    epoll = epoll_create1(EPOLL_CLOEXEC);
#ifdef MUTANT_NEWBORN_RINGS_PARENTS_BELL
    parents_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_ctl(epoll, EPOLL_CTL_ADD, parents_bell, &(struct epoll_event){.events = EPOLLIN, .data.u32 = PARENTS_BELL});
#endif
    start();
    for (int due = regulate();;) {
        wait_for_messages(due, &none);
        if (asked_to_end)
            end_pool();
        if (asked_to_report)
            report();
        if (child_ended)
            reap();
#ifdef MUTANT_FULL_BEFORE_REAPING
        due = -1;
        if (was_full) /* "if (live == max_children) continue;" stands above waitpid(), and nothing comes below it */
            was_full = false;
        else
#endif
            due = regulate();
    }
}
