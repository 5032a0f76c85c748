/*
 * A long link between two network namespaces of this machine: two TUN devices and a delay.
 *
 *   link private PROGRAM [ARG...]  runs PROGRAM in a network namespace of its own
 *   link try                       says by its exit status whether this machine lets it make such devices
 *   link delay MS [MBIT]           joins the present namespace (10.77.0.1) with a new one (10.77.0.2); every packet arrives MS
 *                                  later; MBIT limits each direction. Says "linked", stays, and is the new namespace's owner:
 *                                  enter it by `nsenter --net=/proc/PID/ns/net`. It is gone when this process is; the present
 *                                  namespace keeps the larger TCP buffers.
 *
 * Kernel TCP runs over it untouched: handshakes, slow start, Nagle and delayed ACKs meet the delay as on a real line. Segmentation is
 * left to the receiving side (TSO), as with any present-day network card, so that the link costs little of the machine.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MTU = 1500, LARGEST = 66000, PLACES = 1 << 18, QUEUE = 20000 };
/* What a direction may hold: far more than any window. */
static const size_t ROOM = 512u << 20;

static void die(const char *what) {
  fprintf(stderr, "link: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void setting(const char *name, const char *value) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/net/ipv4/%s", name);
  FILE *file = fopen(path, "w");
  if (!file || fputs(value, file) < 0 || fclose(file) != 0) die(path);
}

/* Buffers beyond any bandwidth-delay product here, so that TCP itself limits no connection on the line. */
static void tune(void) {
  setting("tcp_rmem", "4096 131072 134217728");
  setting("tcp_wmem", "4096 16384 134217728");
}

static void change(int control, unsigned long request, struct ifreq *what) {
  if (ioctl(control, request, what) < 0) die(what->ifr_name);
}

static void address(int control, struct ifreq *device, unsigned long request, const char *text) {
  struct sockaddr_in *in = (struct sockaddr_in *)&device->ifr_addr;
  memset(in, 0, sizeof *in);
  in->sin_family = AF_INET;
  inet_pton(AF_INET, text, &in->sin_addr);
  change(control, request, device);
}

static void raise_device(const char *name) {
  int control = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq device = {0};
  strcpy(device.ifr_name, name);
  change(control, SIOCGIFFLAGS, &device);
  device.ifr_flags |= IFF_UP | IFF_RUNNING;
  change(control, SIOCSIFFLAGS, &device);
  close(control);
}

static void enter_private_network(void) {
  if (unshare(CLONE_NEWNET) < 0) die("unshare");
  raise_device("lo");
  /*
   * vsftpd listens with a queue of 32. When many come at once, a SYN that was answered with a cookie meets a full queue later,
   * and is forgotten: its client believes itself connected and waits for a greeting for ever. Without cookies it asks again.
   */
  setting("tcp_syncookies", "0");
}

static int open_tun(const char *own, const char *other) {
  int tun = open("/dev/net/tun", O_RDWR);
  if (tun < 0) die("/dev/net/tun");
  struct ifreq device = {0};
  strcpy(device.ifr_name, "far0");
  device.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  change(tun, TUNSETIFF, &device);
  if (ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) < 0) die("TUNSETOFFLOAD");
  int control = socket(AF_INET, SOCK_DGRAM, 0);
  address(control, &device, SIOCSIFADDR, own);
  address(control, &device, SIOCSIFDSTADDR, other);
  device.ifr_mtu = MTU;
  change(control, SIOCSIFMTU, &device);
  device.ifr_qlen = QUEUE;
  change(control, SIOCSIFTXQLEN, &device);
  close(control);
  raise_device("far0");
  return tun;
}

struct packet {
  long long due;
  int length;
  char *bytes;
};

/* One direction: packets leave in order, each when it is due. */
struct direction {
  int from, to;
  long long delay;
  double ns_per_byte;
  struct packet *line;
  unsigned head, tail;
  size_t held;
  pthread_mutex_t lock;
  pthread_cond_t more;
};

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

_Noreturn static void take_all(struct direction *d) {
  long long wire = 0;
  for (;;) {
    char *bytes = malloc(LARGEST);
    int length = read(d->from, bytes, LARGEST);
    if (length <= 0) {
      free(bytes);
      continue;
    }
    bytes = realloc(bytes, length);
    long long t = now();
    if (wire < t) wire = t;
    wire += (long long)(length * d->ns_per_byte);
    pthread_mutex_lock(&d->lock);
    if (d->held > ROOM || d->head - d->tail == PLACES) {
      free(bytes);
    } else {
      d->line[d->head++ % PLACES] = (struct packet){wire + d->delay, length, bytes};
      d->held += length;
      pthread_cond_signal(&d->more);
    }
    pthread_mutex_unlock(&d->lock);
  }
}

_Noreturn static void give_all(struct direction *d) {
  for (;;) {
    pthread_mutex_lock(&d->lock);
    while (d->head == d->tail) pthread_cond_wait(&d->more, &d->lock);
    struct packet p = d->line[d->tail++ % PLACES];
    d->held -= p.length;
    pthread_mutex_unlock(&d->lock);
    if (p.due > now()) {
      struct timespec due = {p.due / 1000000000LL, p.due % 1000000000LL};
      while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, 0) == EINTR) continue;
    }
    while (write(d->to, p.bytes, p.length) < 0 && errno == EAGAIN) continue;
    free(p.bytes);
  }
}

static void *take(void *direction) { take_all(direction); }
static void *give(void *direction) { give_all(direction); }

static void carry(int from, int to, double milliseconds, double mbit) {
  struct direction *d = calloc(1, sizeof *d);
  d->from = from;
  d->to = to;
  d->delay = (long long)(milliseconds * 1e6);
  d->ns_per_byte = mbit > 0 ? 8000.0 / mbit : 0;
  d->line = calloc(PLACES, sizeof *d->line);
  pthread_mutex_init(&d->lock, 0);
  pthread_cond_init(&d->more, 0);
  pthread_t thread;
  if (pthread_create(&thread, 0, take, d) || pthread_create(&thread, 0, give, d)) die("pthread_create");
}

int main(int count, char **words) {
  if (count > 2 && strcmp(words[1], "private") == 0) {
    enter_private_network();
    execvp(words[2], words + 2);
    die(words[2]);
  }
  if (count == 2 && strcmp(words[1], "try") == 0) {
    open_tun("10.77.0.1", "10.77.0.2");
    return 0;
  }
  if (count < 3 || strcmp(words[1], "delay") != 0) {
    fprintf(stderr, "usage: link private PROGRAM [ARG...] | link try | link delay MS [MBIT]\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  int near = open_tun("10.77.0.1", "10.77.0.2");
  tune();
  enter_private_network();
  tune();
  int far = open_tun("10.77.0.2", "10.77.0.1");
  double mbit = count > 3 ? atof(words[3]) : 0;
  carry(near, far, atof(words[2]), mbit);
  carry(far, near, atof(words[2]), mbit);
  puts("linked");
  fflush(stdout);
  for (;;) pause();
}
