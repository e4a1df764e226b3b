// The console: a PL011 without interrupts (DDI 0183), and just enough of printf.
#include "guest.h"

#define DR 0x00
#define FR 0x18
#define CR 0x30
#define LCR_H 0x2c
#define FR_RXFE (1 << 4)
#define FR_TXFF (1 << 5)

static u64 uart;

void console_init(u64 base) {
  uart = base;
  store32(uart + CR, 0);
  store32(uart + LCR_H, 0x70); // 8 bits, FIFOs on
  store32(uart + CR, 0x301);
}

static void put(char c) {
  while (load32(uart + FR) & FR_TXFF) {
  }
  store32(uart + DR, (u8)c);
}

static void put_text(const char *s) {
  while (*s) put(*s++);
}

static void put_number(u64 n, u32 base, int width) {
  char digits[24];
  int count = 0;
  do {
    digits[count++] = "0123456789abcdef"[n % base];
    n /= base;
  } while (n || count < width);
  while (count) put(digits[--count]);
}

void vprint(const char *format, __builtin_va_list args) {
  for (; *format; format++) {
    if (*format == '\n') put('\r');
    if (*format != '%') {
      put(*format);
      continue;
    }
    switch (*++format) {
      case 's': put_text(__builtin_va_arg(args, const char *)); break;
      case 'c': put((char)__builtin_va_arg(args, int)); break;
      case 'u': put_number(__builtin_va_arg(args, u64), 10, 1); break;
      case 'x': put_number(__builtin_va_arg(args, u64), 16, 1); break;
      case 'X': put_number(__builtin_va_arg(args, u64), 16, 16); break;
      default: put(*format);
    }
  }
}

void print(const char *format, ...) {
  __builtin_va_list args;
  __builtin_va_start(args, format);
  vprint(format, args);
  __builtin_va_end(args);
}

int read_key(void) {
  if (load32(uart + FR) & FR_RXFE) return -1;
  return load32(uart + DR) & 0xff;
}

int read_line(char *line, int size) {
  int length = 0;
  for (;;) {
    int key = read_key();
    if (key < 0) {
      // Time passes cheaply for whoever emulates us: sleep until the timer's event, a millisecond at most.
      write_reg(cntv_tval_el0, read_reg(cntfrq_el0) / 1000);
      write_reg(cntv_ctl_el0, 1);
      asm volatile("wfi");
      write_reg(cntv_ctl_el0, 2);
      continue;
    }
    if (key == '\r' || key == '\n') {
      print("\n");
      line[length] = 0;
      return length;
    }
    if ((key == 8 || key == 127) && length > 0) {
      length--;
      print("\b \b");
    } else if (key >= ' ' && key < 127 && length < size - 1) {
      line[length++] = (char)key;
      put((char)key);
    }
  }
}
