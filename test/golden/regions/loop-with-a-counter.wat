;; loop with a counter
;;   again: add x0, x0, x1
;;   subs x2, x2, #1
;;   b.ne again
;;   ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i32) (local $l4 i64) (local $l5 i32) (local $l6 i32) (local $l7 i64) (local $l8 i64) (local $l9 i64) (local $l10 i64) (local $l11 i32) (local $l12 i32) (local $l13 i64) (local $l14 i64) (local $l15 i64)
    (local.set $l5
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l5))
    (if $I0
      (i32.eqz
        (local.get $l5))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l6
      (local.get $budget))
    (local.set $l7
      (i64.load ;; X0
        (local.get $cpu)))
    (local.set $l8
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l9
      (i64.load offset=16 ;; X2
        (local.get $cpu)))
    (local.set $l10
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (block $B1
      (block $B2
        (loop $L3
          (block $B4
            (block $B5
              (block $B6
                (local.set $l6
                  (i32.sub
                    (local.get $l6)
                    (i32.const 3)))
                (local.set $l11
                  (i32.const 0))
                (br_if $B6
                  (i32.lt_s
                    (local.get $l6)
                    (i32.const 0)))
                (local.set $l7
                  (i64.add
                    (local.get $l7)
                    (local.get $l8)))
                (local.set $l4
                  (local.get $l9))
                (local.set $l12
                  (i32.const 3))
                (local.set $l13
                  (local.get $l4))
                (local.set $l14
                  (i64.const 1))
                (local.set $l9
                  (i64.sub
                    (local.get $l4)
                    (i64.const 1)))
                (i64.store ;; X0
                  (local.get $cpu)
                  (local.get $l7))
                (i64.store offset=16 ;; X2
                  (local.get $cpu)
                  (local.get $l9))
                (br $B5))
              (local.set $l3
                (local.get $l11))
              (local.set $l6
                (i32.add
                  (local.get $l6)
                  (i32.sub
                    (i32.const 3)
                    (local.get $l3))))
              (local.set $l15
                (i64.add
                  (i64.extend_i32_u
                    (i32.shl
                      (local.get $l3)
                      (i32.const 2)))
                  (i64.const 131072))) ;; add x0, x0, x1
              (br $B1))
            (if $I7
              (i64.ne
                (local.get $l4)
                (i64.const 1))
              (then
                (br $L3))
              (else
                (br $B4))))
          (block $B8
            (block $B9
              (local.set $l6
                (i32.sub
                  (local.get $l6)
                  (i32.const 1)))
              (local.set $l11
                (i32.const 0))
              (br_if $B9
                (i32.lt_s
                  (local.get $l6)
                  (i32.const 0)))
              (br $B8))
            (local.set $l2
              (local.get $l11))
            (local.set $l6
              (i32.add
                (local.get $l6)
                (i32.sub
                  (i32.const 1)
                  (local.get $l2))))
            (local.set $l15
              (i64.add
                (i64.extend_i32_u
                  (i32.shl
                    (local.get $l2)
                    (i32.const 2)))
                (i64.const 131084))) ;; ret
            (br $B1))
          (local.set $l15
            (local.get $l10))
          (br $B2)))
      (if $I10
        (local.get $l12)
        (then
          (i32.store offset=816 ;; flagsKind
            (local.get $cpu)
            (local.get $l12))
          (i64.store offset=896 ;; flagsA
            (local.get $cpu)
            (local.get $l13))
          (i64.store offset=904 ;; flagsB
            (local.get $cpu)
            (local.get $l14))))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l15)
        (local.get $l6)))
    (if $I11
      (local.get $l12)
      (then
        (i32.store offset=816 ;; flagsKind
          (local.get $cpu)
          (local.get $l12))
        (i64.store offset=896 ;; flagsA
          (local.get $cpu)
          (local.get $l13))
        (i64.store offset=904 ;; flagsB
          (local.get $cpu)
          (local.get $l14))))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l15))
      (local.get $l6))
    (unreachable))
