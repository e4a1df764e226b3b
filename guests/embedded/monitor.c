// The prompt at the end: a few commands to look around with.
#include "guest.h"

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Hexadecimal, with or without 0x; *text moves behind it.
static u64 number(const char **text, u64 otherwise) {
  const char *t = *text;
  while (*t == ' ') t++;
  if (t[0] == '0' && (t[1] | 0x20) == 'x') t += 2;
  if (digit(*t) < 0) return otherwise;
  u64 n = 0;
  while (digit(*t) >= 0) n = n << 4 | (u64)digit(*t++);
  *text = t;
  return n;
}

// Bytes at an address; where nothing is mapped, the fault is told.
static void dump(u64 at, u64 bytes) {
  for (u64 line = at & ~15UL; line < at + bytes; line += 16) {
    expect_fault();
    (void)load8(line);
    if (fault.taken) {
      print("%X  not readable, ESR %x\n", line, fault.esr);
      return;
    }
    print("%X ", line);
    for (u64 i = 0; i < 16; i += 4) print(" %x", (u64)load32(line + i));
    print("\n");
  }
}

static void cpus(void) {
  for (int i = 0; i < board.cpus; i++)
    print("cpu%u  MPIDR %x  %s\n", (u64)i, board.mpidr[i],
          i == 0 ? "on, this one" : psci(0xc4000004UL, board.mpidr[i], 0, 0) == 0 ? "on" : "off");
}

static void time(void) {
  print("%u us since power-on", now_us());
  if (board.rtc) print(", %u seconds since 1970", (u64)load32(board.rtc));
  print("\n");
}

void monitor(void) {
  char line[80];
  print("Say help for the commands.\n");
  if (board.gic_version) gic_enable(27);
  for (;;) {
    print("ringfence> ");
    read_line(line, sizeof line);
    const char *rest = line;
    while (*rest && *rest != ' ') rest++;
    int length = (int)(rest - line);
    char command[16];
    for (int i = 0; i < 16; i++) command[i] = i < length && i < 15 ? line[i] : 0;
    if (length == 0) continue;
    if (same(command, "help")) {
      print("mem ADDRESS [BYTES]  show memory (hexadecimal)\ncpus  list the CPUs\ntime  the clocks\n"
            "check  run the checks again\necho TEXT\noff  power off\nreset  start again\npanic  crash\n");
    } else if (same(command, "mem")) {
      u64 at = number(&rest, board.memory);
      u64 bytes = number(&rest, 64);
      dump(at, bytes > 4096 ? 4096 : bytes);
    } else if (same(command, "cpus")) {
      cpus();
    } else if (same(command, "time")) {
      time();
    } else if (same(command, "check")) {
      run_checks();
    } else if (same(command, "echo")) {
      print("%s\n", *rest ? rest + 1 : rest);
    } else if (same(command, "off")) {
      power_off();
    } else if (same(command, "reset")) {
      reset();
    } else if (same(command, "panic")) {
      panic("asked for at the monitor");
    } else {
      print("%s: no such command; say help\n", command);
    }
  }
}
