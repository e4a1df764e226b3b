;; compare and branch
;;   cmp x0, x1
;;   b.hi out
;;   add x2, x2, #1
;;   out: ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i32) (local $l4 i32) (local $l5 i64) (local $l6 i64) (local $l7 i32) (local $l8 i32) (local $l9 i64) (local $l10 i64) (local $l11 i64) (local $l12 i64) (local $l13 i32) (local $l14 i32) (local $l15 i64) (local $l16 i64) (local $l17 i64)
    (local.set $l7
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l7))
    (if $I0
      (i32.eqz
        (local.get $l7))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l8
      (local.get $budget))
    (local.set $l9
      (i64.load ;; X0
        (local.get $cpu)))
    (local.set $l10
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l11
      (i64.load offset=16 ;; X2
        (local.get $cpu)))
    (local.set $l12
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (block $B5
              (local.set $l8
                (i32.sub
                  (local.get $l8)
                  (i32.const 2)))
              (local.set $l13
                (i32.const 0))
              (br_if $B5
                (i32.lt_s
                  (local.get $l8)
                  (i32.const 0)))
              (local.set $l6
                (local.get $l9))
              (local.set $l5
                (local.get $l10))
              (local.set $l14
                (i32.const 3))
              (local.set $l15
                (local.get $l6))
              (local.set $l16
                (local.get $l5))
              (br $B4))
            (local.set $l4
              (local.get $l13))
            (local.set $l8
              (i32.add
                (local.get $l8)
                (i32.sub
                  (i32.const 2)
                  (local.get $l4))))
            (local.set $l17
              (i64.add
                (i64.extend_i32_u
                  (i32.shl
                    (local.get $l4)
                    (i32.const 2)))
                (i64.const 131072))) ;; subs xzr, x0, x1
            (br $B1))
          (if $I6
            (i64.gt_u
              (local.get $l6)
              (local.get $l5))
            (then
              (br $B3))
            (else
              (block $B7
                (block $B8
                  (local.set $l8
                    (i32.sub
                      (local.get $l8)
                      (i32.const 1)))
                  (local.set $l13
                    (i32.const 0))
                  (br_if $B8
                    (i32.lt_s
                      (local.get $l8)
                      (i32.const 0)))
                  (local.set $l11
                    (i64.add
                      (local.get $l11)
                      (i64.const 1)))
                  (i64.store offset=16 ;; X2
                    (local.get $cpu)
                    (local.get $l11))
                  (br $B7))
                (local.set $l3
                  (local.get $l13))
                (local.set $l8
                  (i32.add
                    (local.get $l8)
                    (i32.sub
                      (i32.const 1)
                      (local.get $l3))))
                (local.set $l17
                  (i64.add
                    (i64.extend_i32_u
                      (i32.shl
                        (local.get $l3)
                        (i32.const 2)))
                    (i64.const 131080))) ;; add x2, x2, #0x1
                (br $B1))
              (br $B3))))
        (block $B9
          (block $B10
            (local.set $l8
              (i32.sub
                (local.get $l8)
                (i32.const 1)))
            (local.set $l13
              (i32.const 0))
            (br_if $B10
              (i32.lt_s
                (local.get $l8)
                (i32.const 0)))
            (br $B9))
          (local.set $l2
            (local.get $l13))
          (local.set $l8
            (i32.add
              (local.get $l8)
              (i32.sub
                (i32.const 1)
                (local.get $l2))))
          (local.set $l17
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131084))) ;; ret
          (br $B1))
        (local.set $l17
          (local.get $l12))
        (br $B2))
      (if $I11
        (local.get $l14)
        (then
          (i32.store offset=816 ;; flagsKind
            (local.get $cpu)
            (local.get $l14))
          (i64.store offset=896 ;; flagsA
            (local.get $cpu)
            (local.get $l15))
          (i64.store offset=904 ;; flagsB
            (local.get $cpu)
            (local.get $l16))))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l17)
        (local.get $l8)))
    (if $I12
      (local.get $l14)
      (then
        (i32.store offset=816 ;; flagsKind
          (local.get $cpu)
          (local.get $l14))
        (i64.store offset=896 ;; flagsA
          (local.get $cpu)
          (local.get $l15))
        (i64.store offset=904 ;; flagsB
          (local.get $cpu)
          (local.get $l16))))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l17))
      (local.get $l8))
    (unreachable))
