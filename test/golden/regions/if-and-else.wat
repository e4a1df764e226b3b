;; if and else
;;   cbz x0, other
;;   add x1, x1, #1
;;   b end
;;   other: sub x1, x1, #1
;;   end: ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i32) (local $l4 i32) (local $l5 i32) (local $l6 i32) (local $l7 i32) (local $l8 i64) (local $l9 i64) (local $l10 i64) (local $l11 i32) (local $l12 i64)
    (local.set $l6
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l6))
    (if $I0
      (i32.eqz
        (local.get $l6))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l7
      (local.get $budget))
    (local.set $l8
      (i64.load ;; X0
        (local.get $cpu)))
    (local.set $l9
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l10
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (block $B5
              (local.set $l7
                (i32.sub
                  (local.get $l7)
                  (i32.const 1)))
              (local.set $l11
                (i32.const 0))
              (br_if $B5
                (i32.lt_s
                  (local.get $l7)
                  (i32.const 0)))
              (br $B4))
            (local.set $l5
              (local.get $l11))
            (local.set $l7
              (i32.add
                (local.get $l7)
                (i32.sub
                  (i32.const 1)
                  (local.get $l5))))
            (local.set $l12
              (i64.add
                (i64.extend_i32_u
                  (i32.shl
                    (local.get $l5)
                    (i32.const 2)))
                (i64.const 131072))) ;; cbz x0, 0x8000000c
            (br $B1))
          (if $I6
            (i64.eqz
              (local.get $l8))
            (then
              (block $B7
                (block $B8
                  (local.set $l7
                    (i32.sub
                      (local.get $l7)
                      (i32.const 1)))
                  (local.set $l11
                    (i32.const 0))
                  (br_if $B8
                    (i32.lt_s
                      (local.get $l7)
                      (i32.const 0)))
                  (local.set $l9
                    (i64.sub
                      (local.get $l9)
                      (i64.const 1)))
                  (i64.store offset=8 ;; X1
                    (local.get $cpu)
                    (local.get $l9))
                  (br $B7))
                (local.set $l4
                  (local.get $l11))
                (local.set $l7
                  (i32.add
                    (local.get $l7)
                    (i32.sub
                      (i32.const 1)
                      (local.get $l4))))
                (local.set $l12
                  (i64.add
                    (i64.extend_i32_u
                      (i32.shl
                        (local.get $l4)
                        (i32.const 2)))
                    (i64.const 131084))) ;; sub x1, x1, #0x1
                (br $B1))
              (br $B3))
            (else
              (block $B9
                (block $B10
                  (local.set $l7
                    (i32.sub
                      (local.get $l7)
                      (i32.const 2)))
                  (local.set $l11
                    (i32.const 0))
                  (br_if $B10
                    (i32.lt_s
                      (local.get $l7)
                      (i32.const 0)))
                  (local.set $l9
                    (i64.add
                      (local.get $l9)
                      (i64.const 1)))
                  (i64.store offset=8 ;; X1
                    (local.get $cpu)
                    (local.get $l9))
                  (br $B9))
                (local.set $l3
                  (local.get $l11))
                (local.set $l7
                  (i32.add
                    (local.get $l7)
                    (i32.sub
                      (i32.const 2)
                      (local.get $l3))))
                (local.set $l12
                  (i64.add
                    (i64.extend_i32_u
                      (i32.shl
                        (local.get $l3)
                        (i32.const 2)))
                    (i64.const 131076))) ;; add x1, x1, #0x1
                (br $B1))
              (br $B3))))
        (block $B11
          (block $B12
            (local.set $l7
              (i32.sub
                (local.get $l7)
                (i32.const 1)))
            (local.set $l11
              (i32.const 0))
            (br_if $B12
              (i32.lt_s
                (local.get $l7)
                (i32.const 0)))
            (br $B11))
          (local.set $l2
            (local.get $l11))
          (local.set $l7
            (i32.add
              (local.get $l7)
              (i32.sub
                (i32.const 1)
                (local.get $l2))))
          (local.set $l12
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131088))) ;; ret
          (br $B1))
        (local.set $l12
          (local.get $l10))
        (br $B2))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l12)
        (local.get $l7)))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l12))
      (local.get $l7))
    (unreachable))
