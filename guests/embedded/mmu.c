// Page tables (Arm ARM D8): 4K granule, 39-bit addresses, everything at its own address, devices in the first GiB and
// above RAM, RAM in 2 MiB blocks, and a window of 4K pages whose mappings the checks change.
#include "guest.h"

#define BLOCK 1UL
#define TABLE 3UL
#define ATTR_NORMAL (0UL << 2)
#define ATTR_DEVICE (1UL << 2)
#define ATTR_TAGGED (2UL << 2)
#define AP_USER (1UL << 6)
#define AP_RO (2UL << 6)
#define INNER (3UL << 8)
#define ACCESSED (1UL << 10)
#define PXN (1UL << 53)
#define UXN (1UL << 54)
#define GIB (1UL << 30)
#define BLOCK_SIZE (2UL << 20)
#define RAM_TABLES 4

static u64 level1[512] __attribute__((aligned(4096)));
static u64 ram[RAM_TABLES][512] __attribute__((aligned(4096)));
static u64 window2[512] __attribute__((aligned(4096)));
static u64 window3[512] __attribute__((aligned(4096)));
static u64 next_free;

// An otherwise unused GiB: the last below 512.
const u64 window = 511 * GIB;

extern const char bss_end[];

void mmu_init(void) {
  for (u64 gib = 0; gib < 511; gib++) level1[gib] = (gib * GIB) | BLOCK | ATTR_DEVICE | ACCESSED | PXN | UXN;
  u64 first = board.memory / GIB, end = board.memory + board.memory_size;
  for (u64 i = 0; i < RAM_TABLES && (first + i) * GIB < end; i++) {
    u64 base = (first + i) * GIB;
    for (u64 b = 0; b < 512; b++) {
      u64 at = base + b * BLOCK_SIZE;
      if (at >= board.memory && at + BLOCK_SIZE <= end) ram[i][b] = at | BLOCK | ATTR_NORMAL | INNER | ACCESSED | UXN;
    }
    level1[first + i] = (u64)ram[i] | TABLE;
  }
  level1[511] = (u64)window2 | TABLE;
  window2[0] = (u64)window3 | TABLE;
  // Behind the image, and clear of the device tree, which a boot loader may have put there.
  next_free = ((u64)bss_end + 16 * BLOCK_SIZE) & ~(PAGE - 1);
  if (next_free + (4UL << 20) > end) next_free = ((u64)bss_end + PAGE - 1) & ~(PAGE - 1);
}

void mmu_on(void) {
  u64 pa_range = read_reg(id_aa64mmfr0_el1) & 0xf;
  write_reg(mair_el1, 0xf004ff); // tagged, device nGnRE, write-back
  // T0SZ 25, write-back cacheable inner shareable walks, no TTBR1, 4K.
  write_reg(tcr_el1, 25UL | (1UL << 8) | (1UL << 10) | (3UL << 12) | (1UL << 23) | ((pa_range > 5 ? 5 : pa_range) << 32));
  write_reg(ttbr0_el1, level1);
  dsb();
  asm volatile("tlbi vmalle1");
  dsb();
  isb();
  write_reg(sctlr_el1, 0x30d00800UL | 1 | (1 << 2) | (1 << 12)); // RES1 bits; M, C, I
  isb();
}

static void forget(int page) {
  dsb();
  asm volatile("tlbi vaae1is, %0" : : "r"((window + (u64)page * PAGE) >> 12));
  dsb();
  isb();
}

void window_map(int page, u64 physical, int how) {
  u64 entry = physical | TABLE | ATTR_NORMAL | INNER | ACCESSED;
  if (how == MAP_RW) entry |= PXN | UXN;
  else if (how == MAP_TAGGED) entry = physical | TABLE | ATTR_TAGGED | INNER | ACCESSED | PXN | UXN;
  else if (how == MAP_RO) entry |= AP_RO | PXN | UXN;
  else entry |= AP_USER | AP_RO | PXN;
  window3[page] = entry;
  forget(page);
}

void window_unmap(int page) {
  window3[page] = 0;
  forget(page);
}

void clean_for_execution(u64 at, u64 bytes) {
  for (u64 line = at & ~63UL; line < at + bytes; line += 64) asm volatile("dc cvau, %0" : : "r"(line));
  dsb();
  for (u64 line = at & ~63UL; line < at + bytes; line += 64) asm volatile("ic ivau, %0" : : "r"(line));
  dsb();
  isb();
}

u64 free_memory(u64 bytes) {
  u64 at = next_free;
  next_free += (bytes + PAGE - 1) & ~(PAGE - 1);
  return at;
}

u64 free_page(void) { return free_memory(PAGE); }
