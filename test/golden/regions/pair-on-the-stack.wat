;; pair on the stack
;;   stp x29, x30, [sp, #-16]!
;;   ldp x29, x30, [sp], #16
;;   ret
  (func $r0 (export "r0") (type $t3) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i32) (local $l4 i32) (local $l5 i64) (local $l6 i64) (local $l7 i32) (local $l8 i32) (local $l9 i32) (local $l10 i64) (local $l11 i64) (local $l12 i32) (local $l13 i32) (local $l14 i64) (local $l15 i64) (local $l16 i64) (local $l17 i32) (local $l18 i32) (local $l19 i32) (local $l20 i64)
    (local.set $l12
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l12))
    (if $I0
      (i32.eqz
        (local.get $l12))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l13
      (local.get $budget))
    (local.set $l14
      (i64.load offset=256 ;; SP
        (local.get $cpu)))
    (local.set $l15
      (i64.load offset=232 ;; X29
        (local.get $cpu)))
    (local.set $l16
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (local.set $l17
      (i32.load offset=884 ;; tlb
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (local.set $l13
              (i32.sub
                (local.get $l13)
                (i32.const 3)))
            (local.set $l18
              (i32.const 0))
            (br_if $B4
              (i32.lt_s
                (local.get $l13)
                (i32.const 0)))
            (local.set $l11
              (local.get $l14))
            (local.set $l18
              (i32.const 0))
            (br_if $B4
              (i32.and
                (i32.wrap_i64
                  (local.get $l11))
                (i32.load offset=868 ;; spAlignMask
                  (local.get $cpu))))
            (local.set $l9
              (i32.wrap_i64
                (local.tee $l10
                  (i64.add
                    (local.get $l11)
                    (i64.const -16)))))
            (local.set $l8
              (i32.add
                (local.get $l17)
                (i32.shl
                  (i32.and
                    (i32.add
                      (i32.shr_u
                        (local.get $l9)
                        (i32.const 12))
                      (i32.shr_u
                        (local.get $l9)
                        (i32.const 22)))
                    (i32.const 16383))
                  (i32.const 5))))
            (local.set $l7
              (i32.add
                (i32.wrap_i64
                  (local.get $l10))
                (i32.load offset=24
                  (local.get $l8))))
            (if $I5
              (i64.ne
                (local.tee $l6
                  (i64.xor
                    (i64.and
                      (i64.add
                        (local.get $l10)
                        (i64.const 15))
                      (i64.const -4096))
                    (i64.load offset=8
                      (local.get $l8))))
                (i64.const 0))
              (then
                (local.set $l18
                  (i32.const 0))
                (br_if $B4
                  (i64.ne
                    (i64.shl
                      (local.get $l6)
                      (i64.load8_u offset=29
                        (local.get $l8)))
                    (i64.const 0)))))
            (i64.store
              (local.get $l7)
              (local.get $l15))
            (i64.store offset=8
              (local.get $l7)
              (local.get $l16))
            (local.set $l5
              (local.tee $l14
                (local.get $l10)))
            (local.set $l18
              (i32.const 1))
            (br_if $B4
              (i32.and
                (i32.wrap_i64
                  (local.get $l5))
                (i32.load offset=868 ;; spAlignMask
                  (local.get $cpu))))
            (local.set $l19
              (local.get $l7))
            (if $I6
              (i32.ge_u
                (i32.add
                  (i32.and
                    (i32.wrap_i64
                      (local.get $l10))
                    (i32.const 4095))
                  (i32.const 15))
                (i32.const 4096))
              (then
                (local.set $l19
                  (local.tee $l4
                    (call $f.lookUp
                      (local.get $l17)
                      (local.get $l5)
                      (i32.const 15)
                      (i32.const 0)
                      (i32.const 0))))
                (local.set $l18
                  (i32.const 1))
                (br_if $B4
                  (i32.eqz
                    (local.get $l4)))))
            (local.set $l15
              (i64.load
                (local.tee $l3
                  (local.get $l19))))
            (local.set $l16
              (i64.load offset=8
                (local.get $l3)))
            (local.set $l14
              (i64.add
                (local.get $l5)
                (i64.const 16)))
            (i64.store offset=256 ;; SP
              (local.get $cpu)
              (local.get $l14))
            (i64.store offset=232 ;; X29
              (local.get $cpu)
              (local.get $l15))
            (i64.store offset=240 ;; X30
              (local.get $cpu)
              (local.get $l16))
            (br $B3))
          (if $I7
            (i32.ge_u
              (local.tee $l2
                (local.get $l18))
              (i32.const 1))
            (then
              (i64.store offset=256 ;; SP
                (local.get $cpu)
                (local.get $l14))))
          (local.set $l13
            (i32.add
              (local.get $l13)
              (i32.sub
                (i32.const 3)
                (local.get $l2))))
          (local.set $l20
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131072))) ;; stp x29, x30, [sp, #-16]!
          (br $B1))
        (local.set $l20
          (local.get $l16))
        (br $B2))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l20)
        (local.get $l13)))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l20))
      (local.get $l13))
    (unreachable))
