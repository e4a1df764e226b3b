/*
 * A use after free and an overflow of the C library's heap, for GLIBC_TUNABLES=glibc.mem.tagging: prints the signal's code
 * and whether its address is that of the access. Built by mte.test.ts.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uintptr_t touched;

static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  const char *where = address == 0 ? "none" : address == touched ? "right" : "wrong";
  printf("signal %d code %d address %s\n", signal, info->si_code, where);
  fflush(stdout);
  _exit(0);
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | 0x800};
  sigaction(SIGSEGV, &action, NULL);
  char *volatile block = malloc(40);
  char *volatile neighbour = malloc(40);
  volatile char *at = block;
  if (argc > 1 && strcmp(argv[1], "free") == 0) free(block);
  else at = block + 48;
  touched = (uintptr_t)at;
  *at = 1;
  getppid();
  printf("no signal, %p %p\n", (void *)block, (void *)neighbour);
  return 0;
}
