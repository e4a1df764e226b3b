;; pair on the stack
;;   stp x29, x30, [sp, #-16]!
;;   ldp x29, x30, [sp], #16
;;   ret
(module
  (type $t0 (func (param i32 i64 i32) (result i32)))
  (type $t1 (func (param i32 i64 i32 i32) (result i32)))
  (type $t2 (func (param i32 i32 i32) (result i32)))
  (type $t3 (func (param i32 i64 i64) (result i32)))
  (type $t4 (func (param i32 i32) (result i32)))
  (import "m" "m" (memory $m.m 16 16))
  (import "f" "jump" (func $f.jump (type $t0)))
  (import "f" "jumpIndirect" (func $f.jumpIndirect (type $t1)))
  (import "f" "enter" (func $f.enter (type $t2)))
  (import "f" "interpret" (func $f.interpret (type $t2)))
  (import "f" "stop" (func $f.stop (type $t2)))
  (import "f" "flagsOf" (func $f.flagsOf (type $t3)))
  (func $r0 (export "r0") (type $t4) (param $p0 i32) (param $p1 i32) (result i32)
    (local $l2 i32) (local $l3 i64) (local $l4 i32) (local $l5 i32) (local $l6 i32) (local $l7 i64) (local $l8 i32) (local $l9 i64) (local $l10 i32) (local $l11 i64) (local $l12 i32) (local $l13 i64) (local $l14 i64) (local $l15 i32) (local $l16 i32) (local $l17 i64) (local $l18 i64) (local $l19 i64) (local $l20 i64) (local $l21 i32) (local $l22 i32) (local $l23 i64) (local $l24 i32) (local $l25 i32) (local $l26 i64)
    (local.set $l16
      (local.get $p1))
    (local.set $l17
      (i64.load offset=256 align=1
        (local.get $p0)))
    (local.set $l18
      (i64.load offset=232 align=1
        (local.get $p0)))
    (local.set $l19
      (i64.load offset=240 align=1
        (local.get $p0)))
    (local.set $l20
      (i64.load32_u offset=812 align=1
        (local.get $p0)))
    (local.set $l21
      (i32.load offset=880 align=1
        (local.get $p0)))
    (block $B0
      (local.set $l16
        (i32.sub
          (local.get $l16)
          (i32.const 3)))
      (local.set $l15
        (local.get $l16))
      (if $I1
        (i32.lt_s
          (local.get $l15)
          (i32.const 0))
        (then
          (local.set $l16
            (i32.add
              (local.get $l16)
              (i32.const 3)))
          (local.set $l22
            (i32.const 0))
          (local.set $l23
            (i64.const 131072))
          (br $B0)))
      (local.set $l14
        (local.get $l17))
      (if $I2
        (i32.and
          (i32.wrap_i64
            (local.get $l14))
          (i32.load offset=864 align=1
            (local.get $p0)))
        (then
          (local.set $l16
            (i32.add
              (local.get $l16)
              (i32.const 3)))
          (local.set $l22
            (i32.const 0))
          (local.set $l23
            (i64.const 131072))
          (br $B0)))
      (local.set $l13
        (i64.add
          (local.get $l14)
          (i64.const -16)))
      (local.set $l12
        (i32.add
          (local.get $l21)
          (i32.shl
            (i32.and
              (i32.wrap_i64
                (i64.shr_u
                  (local.get $l13)
                  (i64.const 12)))
              (i32.const 1023))
            (i32.const 5))))
      (local.set $l11
        (i64.extend_i32_u
          (i32.load offset=28 align=1
            (local.get $l12))))
      (local.set $l10
        (i32.add
          (i32.wrap_i64
            (local.get $l13))
          (i32.load offset=24 align=1
            (local.get $l12))))
      (if $I3
        (i64.ne
          (i64.or
            (i64.shl
              (i64.and
                (i64.xor
                  (i64.add
                    (local.get $l13)
                    (i64.const 15))
                  (i64.load offset=8 align=1
                    (local.get $l12)))
                (i64.const -4096))
              (local.get $l11))
            (i64.and
              (local.get $l11)
              (i64.const 64)))
          (i64.const 0))
        (then
          (local.set $l16
            (i32.add
              (local.get $l16)
              (i32.const 3)))
          (local.set $l22
            (i32.const 0))
          (local.set $l23
            (i64.const 131072))
          (br $B0)))
      (i64.store align=1
        (local.get $l10)
        (local.get $l18))
      (i64.store offset=8 align=1
        (local.get $l10)
        (local.get $l19))
      (local.set $l17
        (local.get $l13))
      (local.set $l9
        (local.get $l17))
      (if $I4
        (i32.and
          (i32.wrap_i64
            (local.get $l9))
          (i32.load offset=864 align=1
            (local.get $p0)))
        (then
          (local.set $l16
            (i32.add
              (local.get $l16)
              (i32.const 2)))
          (local.set $l22
            (i32.const 0))
          (local.set $l23
            (i64.const 131076))
          (br $B0)))
      (local.set $l8
        (i32.add
          (local.get $l21)
          (i32.shl
            (i32.and
              (i32.wrap_i64
                (i64.shr_u
                  (local.get $l9)
                  (i64.const 12)))
              (i32.const 1023))
            (i32.const 5))))
      (local.set $l7
        (i64.extend_i32_u
          (i32.load offset=28 align=1
            (local.get $l8))))
      (local.set $l6
        (i32.add
          (i32.wrap_i64
            (local.get $l9))
          (i32.load offset=24 align=1
            (local.get $l8))))
      (if $I5
        (i64.ne
          (i64.or
            (i64.shl
              (i64.and
                (i64.xor
                  (i64.add
                    (local.get $l9)
                    (i64.const 15))
                  (i64.load align=1
                    (local.get $l8)))
                (i64.const -4096))
              (local.get $l7))
            (i64.and
              (local.get $l7)
              (i64.const 64)))
          (i64.const 0))
        (then
          (local.set $l16
            (i32.add
              (local.get $l16)
              (i32.const 2)))
          (local.set $l22
            (i32.const 0))
          (local.set $l23
            (i64.const 131076))
          (br $B0)))
      (local.set $l18
        (i64.load align=1
          (local.get $l6)))
      (local.set $l19
        (i64.load offset=8 align=1
          (local.get $l6)))
      (local.set $l17
        (i64.add
          (local.get $l9)
          (i64.const 16)))
      (local.set $l22
        (i32.const 3))
      (local.set $l23
        (local.get $l19))
      (br $B0))
    (i64.store offset=256 align=1
      (local.get $p0)
      (local.get $l17))
    (i64.store offset=232 align=1
      (local.get $p0)
      (local.get $l18))
    (i64.store offset=240 align=1
      (local.get $p0)
      (local.get $l19))
    (local.set $l24
      (i32.wrap_i64
        (local.get $l20)))
    (if $I6
      (local.get $l25)
      (then
        (local.set $l5
          (call $f.flagsOf
            (local.get $l25)
            (local.get $l20)
            (local.get $l26)))
        (local.set $l24
          (local.get $l5))))
    (i32.store offset=812 align=1
      (local.get $p0)
      (local.get $l24))
    (local.set $l4
      (local.get $l22))
    (local.set $l3
      (local.get $l23))
    (local.set $l2
      (local.get $l16))
    (if $I7
      (i32.eq
        (local.get $l4)
        (i32.const 0))
      (then
        (return_call $f.interpret
          (local.get $p0)
          (i32.wrap_i64
            (local.get $l3))
          (local.get $l2))))
    (if $I8
      (i32.eq
        (local.get $l4)
        (i32.const 1))
      (then
        (return_call $f.enter
          (local.get $p0)
          (i32.wrap_i64
            (local.get $l3))
          (local.get $l2))))
    (if $I9
      (i32.eq
        (local.get $l4)
        (i32.const 2))
      (then
        (return_call $f.stop
          (local.get $p0)
          (i32.wrap_i64
            (local.get $l3))
          (local.get $l2))))
    (if $I10
      (i32.eq
        (local.get $l4)
        (i32.const 3))
      (then
        (return_call $f.jump
          (local.get $p0)
          (local.get $l3)
          (local.get $l2))))
    (return_call $f.jumpIndirect
      (local.get $p0)
      (local.get $l3)
      (local.get $l2)
      (i32.sub
        (local.get $l4)
        (i32.const 4)))
    (unreachable)))
