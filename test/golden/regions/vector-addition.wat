;; vector addition
;;   add v0.4s, v1.4s, v2.4s
;;   ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i32) (local $l4 i32) (local $l5 i64) (local $l6 v128) (local $l7 v128) (local $l8 v128) (local $l9 i32) (local $l10 i64)
    (local.set $l3
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l3))
    (if $I0
      (i32.eqz
        (local.get $l3))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l4
      (local.get $budget))
    (local.set $l5
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (local.set $l6
      (v128.load offset=288 ;; V1
        (local.get $cpu)))
    (local.set $l7
      (v128.load offset=304 ;; V2
        (local.get $cpu)))
    (local.set $l8
      (v128.load offset=272 ;; V0
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (local.set $l4
              (i32.sub
                (local.get $l4)
                (i32.const 2)))
            (local.set $l9
              (i32.const 0))
            (br_if $B4
              (i32.lt_s
                (local.get $l4)
                (i32.const 0)))
            (local.set $l9
              (i32.const 0))
            (br_if $B4
              (i32.load offset=864 ;; fpTrapped
                (local.get $cpu)))
            (local.set $l8
              (i32x4.add
                (local.get $l6)
                (local.get $l7)))
            (v128.store offset=272 ;; V0
              (local.get $cpu)
              (local.get $l8))
            (br $B3))
          (local.set $l2
            (local.get $l9))
          (local.set $l4
            (i32.add
              (local.get $l4)
              (i32.sub
                (i32.const 2)
                (local.get $l2))))
          (local.set $l10
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131072))) ;; add v0.4s, v1.4s, v2.4s
          (br $B1))
        (local.set $l10
          (local.get $l5))
        (br $B2))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l10)
        (local.get $l4)))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l10))
      (local.get $l4))
    (unreachable))
