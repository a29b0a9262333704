/*
 * Jobs: one thread that does what may wait, in order. It takes from one list and adds to another, under one lock; an eventfd tells
 * the loop that something was finished. Nothing else is shared.
 *
 * The thread never touches the loop, and never sees a signal.
 */
#include "net/backend.h"

#include "base/own.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

struct jobs_thread {
    struct jobs *jobs;
    struct watch watch;
    pthread_t id;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list waiting, finished; /* under the lock, and so is stop */
    bool stop;
    char name[16];
};

static struct job *job_of(struct list *node)
{
    return container_of(node, struct job, node);
}

static struct job *next_job(struct jobs_thread *thread)
{
    struct list *node = NULL;

    pthread_mutex_lock(&thread->lock);
    while (!thread->stop && !(node = list_pop_front(&thread->waiting)))
        pthread_cond_wait(&thread->wake, &thread->lock);
    pthread_mutex_unlock(&thread->lock);
    return node ? job_of(node) : NULL;
}

static void *work(void *data)
{
    struct jobs_thread *thread = data;
    struct job *job;

    prctl(PR_SET_NAME, thread->name);
    while ((job = next_job(thread))) {
        job->work(job);
        pthread_mutex_lock(&thread->lock);
        list_push_back(&thread->finished, &job->node);
        pthread_mutex_unlock(&thread->lock);
        must(eventfd_write(thread->watch.fd, 1) == 0);
    }
    return NULL;
}

bool jobs_tell(struct jobs *jobs, struct job *job)
{
    bool closed;

    must(jobs->count > 0 && !jobs->telling);
    jobs->count--;
    jobs->telling = true;
    job->done(job);
    jobs->telling = false;
    closed = jobs->closed;
    if (closed)
        free(jobs);
    return !closed;
}

static struct job *finished_job(struct jobs_thread *thread)
{
    struct list *node;

    pthread_mutex_lock(&thread->lock);
    node = list_pop_front(&thread->finished);
    pthread_mutex_unlock(&thread->lock);
    return node ? job_of(node) : NULL;
}

static void on_finished(struct watch *watch, bool readable, bool writable)
{
    struct jobs_thread *thread = container_of(watch, struct jobs_thread, watch);
    struct jobs *jobs = thread->jobs;
    uint32_t round = jobs->count; /* a job that `done` adds again is told in a later turn */
    eventfd_t count;
    struct job *job;

    (void)readable;
    (void)writable;
    (void)eventfd_read(watch->fd, &count);
    for (; round > 0 && (job = finished_job(thread)); round--)
        if (!jobs_tell(jobs, job))
            return;
    if (round == 0 && jobs->count > 0) /* what was told apart may have been left in the list */
        must(eventfd_write(watch->fd, 1) == 0);
}

static int start_thread(struct jobs_thread *thread)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread->id, NULL, work, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static bool open_thread(struct jobs *jobs, const char *name, struct err *err)
{
    struct jobs_thread *thread = calloc(1, sizeof *thread);
    autoclose int fd = -1;

    if (!thread)
        return err_system(err, "allocate");
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        goto fail;
    thread->jobs = jobs;
    thread->watch = (struct watch){.fd = fd, .ready = on_finished};
    must(strlen(name) < sizeof thread->name);
    memcpy(thread->name, name, strlen(name) + 1);
    list_init(&thread->waiting);
    list_init(&thread->finished);
    pthread_mutex_init(&thread->lock, NULL);
    pthread_cond_init(&thread->wake, NULL);
    errno = start_thread(thread);
    if (errno)
        goto fail;
    watch_start(jobs->loop, &thread->watch, take_fd(&fd), true, false);
    jobs->thread = thread;
    return true;
fail:
    err_record_errno(err, "begin a thread");
    free(thread);
    return false;
}

static void close_thread(struct jobs_thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    thread->stop = true;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
    must(pthread_join(thread->id, NULL) == 0);
    watch_stop(&thread->watch);
    close(thread->watch.fd);
    pthread_cond_destroy(&thread->wake);
    pthread_mutex_destroy(&thread->lock);
    free(thread);
}

bool jobs_open(struct jobs **out, struct loop *loop, const char *name, struct err *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);

    if (!jobs)
        return err_system(err, "open jobs '%s'", name);
    jobs->loop = loop;
    if (loop->backend->jobs_open ? !loop->backend->jobs_open(jobs, err)
                                 : !open_thread(jobs, name, err)) {
        free(jobs);
        return err_during(err, "open jobs '%s'", name);
    }
    *out = jobs;
    return true;
}

void jobs_add(struct jobs *jobs, struct job *job)
{
    struct jobs_thread *thread = jobs->thread;

    must(!jobs->closed);
    jobs->count++;
    list_init(&job->node);
    if (!thread) {
        jobs->loop->backend->jobs_add(jobs, job);
        return;
    }
    pthread_mutex_lock(&thread->lock);
    list_push_back(&thread->waiting, &job->node);
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
}

bool jobs_idle(const struct jobs *jobs)
{
    return jobs->count == 0;
}

void jobs_close(struct jobs *jobs)
{
    if (!jobs)
        return;
    must(!jobs->closed);
    if (jobs->thread)
        close_thread(jobs->thread);
    else
        jobs->loop->backend->jobs_close(jobs);
    jobs->closed = true;
    if (!jobs->telling) /* else jobs_tell, which is under way, frees it */
        free(jobs);
}
