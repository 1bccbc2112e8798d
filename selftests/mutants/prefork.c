/* A pre-forking server: sound and small as it stands, and wrong in one place when compiled with a MUTANT_ name.
 *
 *     prefork PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS [MAX_CHILDREN]
 *
 * settings.h   the command line
 * channel.h    what joins a child to the parent
 * words.h      what a child says to its parent, and is told
 * http.h       one connection (persistent.h: what may follow its first response)
 * child.h      one child (watches.h: what it waits for; concurrent.h: how it goes about a connection; shared.h: what
 *              children may have in common)
 * parent.h     the pool: its table and its loop (spawn.h, hear.h, ended.h: what becomes of a child; wait.h: how the
 *              parent waits; regulate.h, unrest.h: how many; parent_accepts.h: what a parent may not do)
 * console.h    what is printed, where it is asked for (report.h: on Ctrl-C)
 *
 * One translation unit, so that a mutant is one flag. What each mutant breaks, and who does so in real life, is
 * told in mutants.toml; a mutant's lines stand where the sound server's would.
 */
#define _GNU_SOURCE
#pragma GCC diagnostic ignored "-Wunused-function" /* a mutant may leave out a function's only caller */
#pragma GCC diagnostic ignored "-Wunused-variable"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int listener = -1;

/* What some mutants make before the first fork, so that all children have it. */
#ifdef MUTANT_COMMON_EPOLL
static int common_epoll;
#endif
#ifdef MUTANT_NUDGES_ALL
static int nudge;
#endif
#if defined MUTANT_TWO_LISTENERS || defined MUTANT_LISTENER_GROUPS
static int listeners[2];
#endif
static bool any_recycled;

#include "settings.h"

#include "channel.h"

#if defined MUTANT_DISPATCHER || defined MUTANT_DISPATCHER_LISTENER_HELD || defined MUTANT_ACCEPTOR_CHILD
#define HANDED_OVER
#include "hand.h"
#endif

#ifdef MUTANT_TAKES_TURNS
#include "turns.h"
#endif

#include "shared.h"

#include "words.h"

#include "http.h"

#include "listener.h"

#include "console.h"

#include "child.h"

#include "parent.h"

int main(int argc, char **argv)
{
    read_settings(argc, argv);
    listener = open_listener();
    insist_on_exclusive();
    prepare_shared();
#ifdef MUTANT_COMMON_EPOLL
    common_epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(common_epoll, listener, EPOLLIN | EPOLLEXCLUSIVE, LISTENER_KEY);
#endif
#ifdef MUTANT_NUDGES_ALL
    nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
#endif
#ifdef MUTANT_TWO_LISTENERS
    listeners[0] = listener;
    listeners[1] = open_listener();
#endif
#ifdef MUTANT_TAKES_TURNS
    prepare_turns();
#endif
#ifdef HANDED_OVER
    open_hand();
#endif
    run_parent();
}
