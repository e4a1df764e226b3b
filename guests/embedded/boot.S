// Entry of the embedded guest: the arm64 Image header (Linux Documentation/arch/arm64/booting.rst), relocation to
// wherever it was loaded, the exception vectors, and the way in for the other CPUs. Nothing here knows a device.

        .arch armv8-a

        .section .head, "ax"
        .globl  _start
_start: b       first_cpu
        .long   0
        .quad   0                       // text offset
        .quad   image_size
        .quad   0xa                     // little-endian, 4K pages, anywhere in memory
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .long   0

        .text
first_cpu:
        mov     x20, x0                 // the device tree
        bl      to_el1
        // Addresses in data were linked as if the image stood at 0 (R_AARCH64_RELATIVE only).
        adr     x9, _start
        adrp    x10, rela_start
        add     x10, x10, :lo12:rela_start
        adrp    x11, rela_end
        add     x11, x11, :lo12:rela_end
1:      cmp     x10, x11
        b.hs    2f
        ldp     x12, x13, [x10]
        ldr     x14, [x10, #16]
        add     x10, x10, #24
        cmp     w13, #1027
        b.ne    1b
        add     x14, x14, x9
        str     x14, [x9, x12]
        b       1b
2:      adrp    x10, bss_start
        add     x10, x10, :lo12:bss_start
        adrp    x11, bss_end
        add     x11, x11, :lo12:bss_end
3:      cmp     x10, x11
        b.hs    4f
        stp     xzr, xzr, [x10], #16
        b       3b
4:      adrp    x10, stacks
        add     x10, x10, :lo12:stacks
        add     x10, x10, #16384
        mov     sp, x10
        adr     x10, vectors
        msr     vbar_el1, x10
        isb
        mov     x0, x20
        bl      guest_main
5:      wfi
        b       5b

// PSCI CPU_ON comes here with the CPU's number in x0 and the MMU off.
        .globl  secondary_entry
secondary_entry:
        mov     x20, x0
        bl      to_el1
        adrp    x10, stacks
        add     x10, x10, :lo12:stacks
        add     x11, x20, #1
        add     x10, x10, x11, lsl #14
        mov     sp, x10
        adr     x10, vectors
        msr     vbar_el1, x10
        isb
        mov     x0, x20
        bl      secondary_main
6:      wfi
        b       6b

// Leaves EL2 where the machine started there; FP and SIMD are allowed from here on. Keeps x0 and x20.
to_el1: mov     x10, #(3 << 20)
        mrs     x9, CurrentEL
        cmp     x9, #(2 << 2)
        b.ne    7f
        mov     x9, #(1 << 31)
        msr     hcr_el2, x9
        mov     x9, #0x33ff
        msr     cptr_el2, x9
        msr     cntvoff_el2, xzr
        mov     x9, #3
        msr     cnthctl_el2, x9
        mov     x9, #0x3c5
        msr     spsr_el2, x9
        msr     elr_el2, x30
        msr     cpacr_el1, x10
        eret
7:      msr     cpacr_el1, x10
        isb
        ret

// A frame holds x0-x30, ELR and SPSR; handle_exception() may change ELR, and x0 for a caller at EL0.
        .macro  vector kind
        .balign 128
        sub     sp, sp, #272
        stp     x0, x1, [sp]
        mov     x0, #\kind
        b       exception
        .endm

        .balign 2048
vectors:
        vector 0
        vector 1
        vector 2
        vector 3
        vector 4
        vector 5
        vector 6
        vector 7
        vector 8
        vector 9
        vector 10
        vector 11
        vector 12
        vector 13
        vector 14
        vector 15

exception:
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x19, [sp, #144]
        stp     x20, x21, [sp, #160]
        stp     x22, x23, [sp, #176]
        stp     x24, x25, [sp, #192]
        stp     x26, x27, [sp, #208]
        stp     x28, x29, [sp, #224]
        mrs     x9, elr_el1
        mrs     x10, spsr_el1
        stp     x30, x9, [sp, #240]
        str     x10, [sp, #256]
        mov     x1, sp
        bl      handle_exception
        ldr     x10, [sp, #256]
        ldp     x30, x9, [sp, #240]
        msr     elr_el1, x9
        msr     spsr_el1, x10
        ldp     x28, x29, [sp, #224]
        ldp     x26, x27, [sp, #208]
        ldp     x24, x25, [sp, #192]
        ldp     x22, x23, [sp, #176]
        ldp     x20, x21, [sp, #160]
        ldp     x18, x19, [sp, #144]
        ldp     x16, x17, [sp, #128]
        ldp     x14, x15, [sp, #112]
        ldp     x12, x13, [sp, #96]
        ldp     x10, x11, [sp, #80]
        ldp     x8, x9, [sp, #64]
        ldp     x6, x7, [sp, #48]
        ldp     x4, x5, [sp, #32]
        ldp     x2, x3, [sp, #16]
        ldp     x0, x1, [sp]
        add     sp, sp, #272
        eret

// unsigned long run_at_el0(code, argument): enters EL0; user_return() comes back here with the result.
        .globl  run_at_el0
run_at_el0:
        stp     x29, x30, [sp, #-112]!
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        mrs     x9, daif
        str     x9, [sp, #96]
        adrp    x10, el1_stack
        add     x10, x10, :lo12:el1_stack
        mov     x11, sp
        str     x11, [x10]
        msr     elr_el1, x0
        mov     x9, #0x3c0              // EL0t, interrupts masked
        msr     spsr_el1, x9
        mov     x0, x1
        eret
        .globl  user_return
user_return:
        adrp    x10, el1_stack
        add     x10, x10, :lo12:el1_stack
        ldr     x11, [x10]
        mov     sp, x11
        ldr     x9, [sp, #96]
        msr     daif, x9
        ldp     x27, x28, [sp, #80]
        ldp     x25, x26, [sp, #64]
        ldp     x23, x24, [sp, #48]
        ldp     x21, x22, [sp, #32]
        ldp     x19, x20, [sp, #16]
        ldp     x29, x30, [sp], #112
        ret

// What runs at EL0: doubles its argument and calls the kernel. Copied to a page of its own.
        .globl  user_code, user_code_end
user_code:
        add     x0, x0, x0
        svc     #0x77
user_code_end:

        .bss
        .balign 16
        .globl  stacks
stacks: .space  8 * 16384
el1_stack: .space 16
