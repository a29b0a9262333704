#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { KEY_MAX = 32, ROWS_NORMAL = 24, COLUMNS_NORMAL = 80 };

static struct termios before;
static volatile sig_atomic_t interrupted;

bool terminal_present(void)
{
    return isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
}

bool terminal_colours(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

void terminal_size(uint32_t *rows, uint32_t *columns)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
        size = (struct winsize){.ws_row = ROWS_NORMAL, .ws_col = COLUMNS_NORMAL};
    *rows = size.ws_row;
    *columns = size.ws_col;
}

static void on_signal(int signal)
{
    if (signal != SIGWINCH)
        interrupted = 1;
}

static void write_text(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

/* Without SA_RESTART: poll comes back. */
bool terminal_enter(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
    struct sigaction action = {.sa_handler = on_signal};
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return false;
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VSUSP] =
        _POSIX_VDISABLE; /* a stopped program would leave the terminal as it is here */
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &action, NULL);
    write_text("\033[?1049h\033[?25l");
    return true;
}

void terminal_leave(void)
{
    write_text("\033[?25h\033[?1049l");
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

/* Each line is cleared behind its text, so that nothing flickers. */
void terminal_draw(struct bytes frame)
{
    fputs("\033[H", stdout);
    while (frame.len) {
        size_t end = bytes_find(frame, '\n');

        fwrite(frame.at, 1, end, stdout);
        fputs(end < frame.len ? "\033[K\r\n" : "\033[K", stdout);
        frame = bytes_skip(frame, end < frame.len ? end + 1 : end);
    }
    write_text("\033[J");
}

/* The rest of an escape sequence is there when its beginning is. */
static ssize_t read_key(uint8_t key[KEY_MAX])
{
    ssize_t len = read(STDIN_FILENO, key, 1), more;

    if (len != 1 || key[0] != '\033')
        return len;
    more = read(STDIN_FILENO, key + 1, KEY_MAX - 1);
    return more > 0 ? 1 + more : 1;
}

struct bytes terminal_key(int64_t ms)
{
    static uint8_t key[KEY_MAX];
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready = interrupted ? 0 : poll(&in, 1, (int)ms);
    ssize_t len = ready > 0 ? read_key(key) : 0;

    if (interrupted || (ready > 0 && len <= 0)) /* the terminal is gone */
        return BYTES("\003");
    return bytes_of(key, (size_t)len);
}
