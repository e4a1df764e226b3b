;; load and store
;;   ldr x0, [x1, #8]
;;   str w0, [x2]
;;   ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i64) (local $l4 i32) (local $l5 i32) (local $l6 i64) (local $l7 i64) (local $l8 i32) (local $l9 i32) (local $l10 i64) (local $l11 i32) (local $l12 i32) (local $l13 i64) (local $l14 i64) (local $l15 i64) (local $l16 i64) (local $l17 i32) (local $l18 i32) (local $l19 i64)
    (local.set $l11
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l11))
    (if $I0
      (i32.eqz
        (local.get $l11))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l12
      (local.get $budget))
    (local.set $l13
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l14
      (i64.load offset=16 ;; X2
        (local.get $cpu)))
    (local.set $l15
      (i64.load ;; X0
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
            (local.set $l12
              (i32.sub
                (local.get $l12)
                (i32.const 3)))
            (local.set $l18
              (i32.const 0))
            (br_if $B4
              (i32.lt_s
                (local.get $l12)
                (i32.const 0)))
            (local.set $l9
              (i32.wrap_i64
                (local.tee $l10
                  (i64.add
                    (local.get $l13)
                    (i64.const 8)))))
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
            (if $I5
              (i64.ne
                (local.tee $l7
                  (i64.xor
                    (i64.and
                      (i64.add
                        (local.get $l10)
                        (i64.const 7))
                      (i64.const -4096))
                    (i64.load
                      (local.get $l8))))
                (i64.const 0))
              (then
                (local.set $l18
                  (i32.const 0))
                (br_if $B4
                  (i64.ne
                    (i64.shl
                      (local.get $l7)
                      (i64.load8_u offset=29
                        (local.get $l8)))
                    (i64.const 0)))))
            (local.set $l15
              (i64.load
                (i32.add
                  (i32.wrap_i64
                    (local.get $l10))
                  (i32.load offset=24
                    (local.get $l8)))))
            (local.set $l5
              (i32.wrap_i64
                (local.tee $l6
                  (local.get $l14))))
            (local.set $l4
              (i32.add
                (local.get $l17)
                (i32.shl
                  (i32.and
                    (i32.add
                      (i32.shr_u
                        (local.get $l5)
                        (i32.const 12))
                      (i32.shr_u
                        (local.get $l5)
                        (i32.const 22)))
                    (i32.const 16383))
                  (i32.const 5))))
            (if $I6
              (i64.ne
                (local.tee $l3
                  (i64.xor
                    (i64.and
                      (i64.add
                        (local.get $l6)
                        (i64.const 3))
                      (i64.const -4096))
                    (i64.load offset=8
                      (local.get $l4))))
                (i64.const 0))
              (then
                (local.set $l18
                  (i32.const 1))
                (br_if $B4
                  (i64.ne
                    (i64.shl
                      (local.get $l3)
                      (i64.load8_u offset=29
                        (local.get $l4)))
                    (i64.const 0)))))
            (i64.store32
              (i32.add
                (i32.wrap_i64
                  (local.get $l6))
                (i32.load offset=24
                  (local.get $l4)))
              (local.get $l15))
            (i64.store ;; X0
              (local.get $cpu)
              (local.get $l15))
            (br $B3))
          (if $I7
            (i32.ge_u
              (local.tee $l2
                (local.get $l18))
              (i32.const 1))
            (then
              (i64.store ;; X0
                (local.get $cpu)
                (local.get $l15))))
          (local.set $l12
            (i32.add
              (local.get $l12)
              (i32.sub
                (i32.const 3)
                (local.get $l2))))
          (local.set $l19
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131072))) ;; ldr x0, [x1, #8]
          (br $B1))
        (local.set $l19
          (local.get $l16))
        (br $B2))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l19)
        (local.get $l12)))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l19))
      (local.get $l12))
    (unreachable))
