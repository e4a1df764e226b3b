;; indirect call
;;   blr x1
;;   nop
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i64) (local $l4 i32) (local $l5 i32) (local $l6 i32) (local $l7 i64) (local $l8 i32) (local $l9 i32) (local $l10 i64) (local $l11 i64) (local $l12 i32) (local $l13 i64) (local $l14 i64) (local $l15 i32)
    (local.set $l8
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l8))
    (if $I0
      (i32.eqz
        (local.get $l8))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l9
      (local.get $budget))
    (local.set $l10
      (i64.load offset=792 ;; pcDelta
        (local.get $cpu)))
    (local.set $l11
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (local.set $l9
              (i32.sub
                (local.get $l9)
                (i32.const 1)))
            (local.set $l12
              (i32.const 0))
            (br_if $B4
              (i32.lt_s
                (local.get $l9)
                (i32.const 0)))
            (local.set $l7
              (local.get $l11))
            (local.set $l13
              (i64.add
                (i64.add
                  (local.get $l10)
                  (i64.const 131072)) ;; blr x1
                (i64.const 4)))
            (i64.store offset=240 ;; X30
              (local.get $cpu)
              (local.get $l13))
            (br $B3))
          (local.set $l6
            (local.get $l12))
          (local.set $l9
            (i32.add
              (local.get $l9)
              (i32.sub
                (i32.const 1)
                (local.get $l6))))
          (local.set $l14
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l6)
                  (i32.const 2)))
              (i64.const 131072))) ;; blr x1
          (br $B1))
        (if $I5
          (i32.lt_u
            (local.tee $l5
              (i32.load offset=1056 ;; returnDepth
                (local.get $cpu)))
            (i32.const 32))
          (then
            (i64.store offset=1064
              (i32.add
                (local.get $cpu)
                (i32.shl
                  (local.get $l5)
                  (i32.const 3)))
              (i64.add
                (local.get $l10)
                (i64.const 131076))) ;; hint #0x0
            (i32.store offset=1056 ;; returnDepth
              (local.get $cpu)
              (i32.add
                (local.get $l5)
                (i32.const 1)))
            (local.set $l15
              (i32.load
                (i32.const 12032)))
            (if $I6
              (i32.ne
                (local.tee $l4
                  (call $f.jumpIndirect
                    (local.get $cpu)
                    (local.get $l7)
                    (local.get $l9)
                    (i32.const 2)))
                (i32.const 3))
              (then
                (return
                  (local.get $l4))))
            (local.set $l9
              (i32.load offset=804 ;; budget
                (local.get $cpu)))
            (if $I7
              (i32.or
                (i64.ne
                  (local.tee $l3
                    (i64.load offset=792 ;; pcDelta
                      (local.get $cpu)))
                  (local.get $l10))
                (i32.ne
                  (i32.load
                    (i32.const 12032))
                  (local.get $l15)))
              (then
                (return_call $f.enter
                  (local.get $cpu)
                  (i32.wrap_i64
                    (i64.sub
                      (i64.add
                        (local.get $l10)
                        (i64.const 131076)) ;; hint #0x0
                      (local.get $l3)))
                  (local.get $l9))))
            (local.set $l11
              (i64.load offset=8 ;; X1
                (local.get $cpu)))
            (block $B8
              (block $B9
                (local.set $l9
                  (i32.sub
                    (local.get $l9)
                    (i32.const 1)))
                (local.set $l12
                  (i32.const 0))
                (br_if $B9
                  (i32.lt_s
                    (local.get $l9)
                    (i32.const 0)))
                (br $B8))
              (local.set $l2
                (local.get $l12))
              (local.set $l9
                (i32.add
                  (local.get $l9)
                  (i32.sub
                    (i32.const 1)
                    (local.get $l2))))
              (local.set $l14
                (i64.add
                  (i64.extend_i32_u
                    (i32.shl
                      (local.get $l2)
                      (i32.const 2)))
                  (i64.const 131076))) ;; hint #0x0
              (br $B1))
            (local.set $l14
              (i64.const 131080))
            (br $B2)))
        (return_call $f.jumpIndirect
          (local.get $cpu)
          (local.get $l7)
          (local.get $l9)
          (i32.const 2)))
      (return_call $f.enter
        (local.get $cpu)
        (i32.wrap_i64
          (local.get $l14))
        (local.get $l9)))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l14))
      (local.get $l9))
    (unreachable))
