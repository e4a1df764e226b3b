// The other CPUs: PSCI (DEN0022) turns them on and off, a lock and atomic adds are fought over, SGIs go both ways.
#include "guest.h"

#define PSCI_VERSION 0x84000000UL
#define CPU_OFF 0x84000002UL
#define CPU_ON 0xc4000003UL
#define AFFINITY_INFO 0xc4000004UL
#define SYSTEM_OFF 0x84000008UL
#define SYSTEM_RESET 0x84000009UL

#define ROUNDS 2000
#define SGI_PING 3
#define SGI_PONG 4

extern void secondary_entry(void);

static volatile u32 lock;
static volatile u64 under_lock, atomic_sum;
static volatile u64 online;

u64 psci(u64 function, u64 a, u64 b, u64 c) {
  register u64 x0 asm("x0") = function;
  register u64 x1 asm("x1") = a;
  register u64 x2 asm("x2") = b;
  register u64 x3 asm("x3") = c;
  if (board.psci_smc) asm volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
  else asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
  return x0;
}

void power_off(void) {
  psci(SYSTEM_OFF, 0, 0, 0);
  for (;;) asm volatile("wfi");
}

void reset(void) {
  psci(SYSTEM_RESET, 0, 0, 0);
  for (;;) asm volatile("wfi");
}

static void acquire(void) {
  u32 seen, failed;
  do {
    asm volatile(
        "ldaxr %w0, [%2]\n\t"
        "cbnz %w0, 1f\n\t"
        "stxr %w0, %w3, [%2]\n"
        "1: mov %w1, %w0"
        : "=&r"(seen), "=&r"(failed)
        : "r"(&lock), "r"(1)
        : "memory");
  } while (failed);
}

static void release(void) { asm volatile("stlr wzr, [%0]" : : "r"(&lock) : "memory"); }

static void atomic_add(volatile u64 *at, u64 n) {
  if ((read_reg(id_aa64isar0_el1) >> 20 & 0xf) >= 2) {
    asm volatile(".arch_extension lse\n\tstadd %0, [%1]" : : "r"(n), "r"(at) : "memory");
    return;
  }
  u64 value;
  u32 failed;
  do {
    asm volatile("ldxr %0, [%2]\n\tadd %0, %0, %3\n\tstxr %w1, %0, [%2]"
                 : "=&r"(value), "=&r"(failed)
                 : "r"(at), "r"(n)
                 : "memory");
  } while (failed);
}

static void contend(void) {
  for (int i = 0; i < ROUNDS; i++) {
    acquire();
    under_lock = under_lock + 1;
    release();
    atomic_add(&atomic_sum, 3);
  }
}

void secondary_main(u64 number) {
  mmu_on();
  gic_cpu_init();
  gic_enable(SGI_PING);
  irq_enable();
  atomic_add(&online, 1);
  contend();
  while (!irq_seen[number][SGI_PING]) asm volatile("wfi");
  irq_disable();
  gic_send_sgi(0, SGI_PONG);
  psci(CPU_OFF, 0, 0, 0);
}

static int wait_for(volatile u32 *what, u32 value, u64 milliseconds) {
  u64 end = now_us() + milliseconds * 1000;
  while (*what < value)
    if (now_us() > end) return 0;
  return 1;
}

void check_smp(void) {
  u64 version = psci(PSCI_VERSION, 0, 0, 0);
  result("psci", (version >> 16) >= 1, "version %u.%u by %s", version >> 16, version & 0xffff,
         board.psci_smc ? "SMC" : "HVC");
  if (board.cpus == 1) {
    result("smp", 1, "one CPU, nothing to start");
    return;
  }
  gic_enable(SGI_PONG);
  irq_enable();
  int started = 0;
  for (int i = 1; i < board.cpus; i++) started += psci(CPU_ON, board.mpidr[i], (u64)secondary_entry, (u64)i) == 0;
  contend();
  u64 turns = (u64)board.cpus * ROUNDS;
  u64 end = now_us() + 20000000;
  while (online < (u64)board.cpus - 1 && now_us() < end) {
  }
  while (atomic_sum < turns * 3 && now_us() < end) {
  }
  result("smp", started == board.cpus - 1 && online == (u64)started, "%u of %u CPUs started", (u64)started + 1, (u64)board.cpus);
  result("locks", under_lock == turns && atomic_sum == turns * 3, "%u turns under a lock, atomic sum %u", under_lock,
         atomic_sum);
  // One after the other: a GICv3 SGI of one number that is sent twice before it is taken is taken once.
  int answered = 0;
  for (int i = 1; i < board.cpus; i++) {
    gic_send_sgi(i, SGI_PING);
    answered += wait_for(&irq_seen[0][SGI_PONG], (u32)i, 5000);
  }
  irq_disable();
  result("sgi", answered == board.cpus - 1, "%u of %u CPUs answered", (u64)answered, (u64)board.cpus - 1);
  int off = 0;
  for (int i = 1; i < board.cpus; i++) {
    end = now_us() + 5000000;
    while (psci(AFFINITY_INFO, board.mpidr[i], 0, 0) != 1 && now_us() < end) {
    }
    off += psci(AFFINITY_INFO, board.mpidr[i], 0, 0) == 1;
  }
  result("cpu off", off == board.cpus - 1, "%u CPUs are off again", (u64)off);
}
