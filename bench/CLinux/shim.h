// What Swift's Glibc module leaves out: epoll with nanosecond waits, and the timer slack that would blur them.
#pragma once
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

// epoll_pwait2 exists from Linux 5.11 and glibc 2.35 on; declared here because _GNU_SOURCE would make types of this
// module that Swift's Glibc module defines differently.
extern int epoll_pwait2(int, struct epoll_event *, int, const struct timespec *, const __sigset_t *);

// The same for memmem.
extern void *memmem(const void *, __SIZE_TYPE__, const void *, __SIZE_TYPE__);

static inline const void *drover_find(const void *in, long count, const void *what, long length) {
    return memmem(in, (__SIZE_TYPE__)count, what, (__SIZE_TYPE__)length);
}

static inline int drover_epoll_set(int poller, int operation, int descriptor, unsigned events, unsigned number) {
    struct epoll_event event = {.events = events, .data = {.u32 = number}};
    return epoll_ctl(poller, operation, descriptor, &event);
}

static inline int drover_epoll_wait(int poller, struct epoll_event *events, int count, long long nanoseconds) {
    struct timespec limit = {nanoseconds / 1000000000LL, nanoseconds % 1000000000LL};
    return epoll_pwait2(poller, events, count, nanoseconds < 0 ? 0 : &limit, 0);
}

static inline unsigned drover_epoll_number(const struct epoll_event *event) { return event->data.u32; }

static inline void drover_sharpen_timers(void) { prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }
