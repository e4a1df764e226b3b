// What the parts of the embedded guest know of each other.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define MAX_CPUS 8
#define MAX_VIRTIO_MMIO 32
#define PAGE 4096UL

#define read_reg(name) ({ u64 v_; asm volatile("mrs %0, " #name : "=r"(v_)); v_; })
#define write_reg(name, value) asm volatile("msr " #name ", %0" : : "r"((u64)(value)))
#define isb() asm volatile("isb" ::: "memory")
#define dsb() asm volatile("dsb sy" ::: "memory")

static inline u8 load8(u64 at) { return *(volatile u8 *)at; }
static inline u16 load16(u64 at) { return *(volatile u16 *)at; }
static inline u32 load32(u64 at) { return *(volatile u32 *)at; }
static inline void store8(u64 at, u8 v) { *(volatile u8 *)at = v; }
static inline void store16(u64 at, u16 v) { *(volatile u16 *)at = v; }
static inline void store32(u64 at, u32 v) { *(volatile u32 *)at = v; }

// console.c: the PL011, polled. print() knows %s %c %u %x %X (16 digits) of unsigned long.
void console_init(u64 base);
void print(const char *format, ...);
int read_key(void); // -1: none
int read_line(char *line, int size);

// tree.c: what the device tree says.
struct board {
  u64 memory, memory_size;
  u64 uart, rtc;
  int gic_version; // 0: none
  u64 gic_distributor, gic_other; // redistributors (3) or CPU interface (2)
  int psci_smc; // calls go by SMC, not HVC
  int cpus;
  u64 mpidr[MAX_CPUS];
  u64 ecam, ecam_size, pci_window, pci_window_size;
  int virtio_mmio_count;
  u64 virtio_mmio[MAX_VIRTIO_MMIO];
  char bootargs[256];
};
extern struct board board;
int tree_read(const void *blob);
int has_word(const char *text, const char *word);
int same(const char *a, const char *b);

// mmu.c: identity map, and one window of 4K pages to play with.
extern const u64 window; // its first address
void mmu_init(void);
void mmu_on(void);
#define MAP_RW 0
#define MAP_RO 1
#define MAP_USER_CODE 2
#define MAP_TAGGED 3
void window_map(int page, u64 physical, int how);
void window_unmap(int page);
void clean_for_execution(u64 at, u64 bytes);
u64 free_page(void); // pages of RAM that nobody uses, in order
u64 free_memory(u64 bytes);

// exceptions.c: what came last on this CPU, and interrupts by number.
struct frame { u64 x[31], elr, spsr; };
struct fault { int taken; u64 vector, esr, far, elr, spsr; };
extern volatile struct fault fault;
void expect_fault(void); // the next synchronous exception is recorded and its instruction skipped
void irq_enable(void);
void irq_disable(void);
extern volatile u32 irq_seen[MAX_CPUS][1024];
u64 run_at_el0(u64 code, u64 argument);
extern const char user_code[], user_code_end[];

// gic.c
void gic_init(void);     // once
void gic_cpu_init(void); // on each CPU
void gic_enable(u32 intid);
void gic_disable(u32 intid);
void gic_set_pending(u32 intid);
u32 gic_acknowledge(void);
void gic_end(u32 intid);
void gic_send_sgi(int cpu, u32 intid);
int cpu_number(void);

// smp.c
u64 psci(u64 function, u64 a, u64 b, u64 c);
void power_off(void) __attribute__((noreturn));
void reset(void) __attribute__((noreturn));
void check_smp(void);

// fp.S: 0 where all results were right, else the number of the first wrong one.
u64 fp_check(void);
u64 simd_check(void);

// virtio.c, pci.c
struct virtio {
  u64 common; // virtio-mmio: the register block; PCI: the common configuration
  u64 notify, device, notify_multiplier;
  int is_pci;
};
int virtio_exercise(const struct virtio *v, int id, const char *where);
void check_virtio_mmio(void);
void check_pci(void);

// checks.c
void result(const char *name, int ok, const char *format, ...);
extern int failed_checks, passed_checks;
void run_checks(void);
void panic(const char *why) __attribute__((noreturn));
u64 now_us(void);
void vprint(const char *format, __builtin_va_list args);

// monitor.c
void monitor(void) __attribute__((noreturn));
