;; fused multiply-add
;;   fmadd d0, d1, d2, d3
;;   ret
  (func $r0 (export "r0") (type $t3) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 f64) (local $l4 f64) (local $l5 f64) (local $l6 f64) (local $l7 f64) (local $l8 f64) (local $l9 f64) (local $l10 f64) (local $l11 i32) (local $l12 i32) (local $l13 i64) (local $l14 v128) (local $l15 v128) (local $l16 v128) (local $l17 i32) (local $l18 f64) (local $l19 v128) (local $l20 i64)
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
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (local.set $l14
      (v128.load offset=320 ;; V3
        (local.get $cpu)))
    (local.set $l15
      (v128.load offset=288 ;; V1
        (local.get $cpu)))
    (local.set $l16
      (v128.load offset=304 ;; V2
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (local.set $l12
              (i32.sub
                (local.get $l12)
                (i32.const 2)))
            (local.set $l17
              (i32.const 0))
            (br_if $B4
              (i32.lt_s
                (local.get $l12)
                (i32.const 0)))
            (local.set $l17
              (i32.const 0))
            (br_if $B4
              (i32.load offset=864 ;; fpTrapped
                (local.get $cpu)))
            (local.set $l10
              (f64x2.extract_lane 0
                (local.get $l14)))
            (local.set $l9
              (f64x2.extract_lane 0
                (local.get $l15)))
            (local.set $l8
              (f64x2.extract_lane 0
                (local.get $l16)))
            (local.set $l6
              (f64.mul
                (local.tee $l7
                  (f64.mul
                    (local.get $l9)
                    (local.get $l8)))
                (f64.reinterpret_i64
                  (i64.const 4372995238176751616))))
            (local.set $l4
              (f64.abs
                (local.tee $l5
                  (f64.add
                    (local.get $l10)
                    (f64.add
                      (local.get $l7)
                      (local.get $l6))))))
            (local.set $l18
              (local.get $l5))
            (block $B5
              (block $B6
                (br_if $B6
                  (i32.eqz
                    (f64.eq
                      (local.get $l5)
                      (f64.add
                        (local.get $l10)
                        (f64.sub
                          (local.get $l7)
                          (local.get $l6))))))
                (br_if $B6
                  (i32.eqz
                    (f64.lt
                      (local.get $l4)
                      (f64.reinterpret_i64
                        (i64.and
                          (i64.extend_i32_s
                            (i32.sub
                              (i32.const 0)
                              (i64.eq
                                (i64.and
                                  (i64.load offset=872 ;; fpcr
                                    (local.get $cpu))
                                  (i64.const 68748836864))
                                (i64.const 68719476736))))
                          (i64.const 9218868437227405312))))))
                (br_if $B5
                  (f64.gt
                    (local.get $l4)
                    (f64.reinterpret_i64
                      (i64.const 553942754166571008)))))
              (local.set $l18
                (local.tee $l3
                  (call $f.fpMultiplyAdd_scalar64
                    (local.get $cpu)
                    (local.get $l10)
                    (local.get $l9)
                    (local.get $l8)))))
            (local.set $l19
              (f64x2.replace_lane 0
                (v128.const i32x4 0x00000000 0x00000000 0x00000000 0x00000000)
                (local.get $l18)))
            (v128.store offset=272 ;; V0
              (local.get $cpu)
              (local.get $l19))
            (br $B3))
          (local.set $l2
            (local.get $l17))
          (local.set $l12
            (i32.add
              (local.get $l12)
              (i32.sub
                (i32.const 2)
                (local.get $l2))))
          (local.set $l20
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131072))) ;; fmadd d0, d1, d2, d3
          (br $B1))
        (local.set $l20
          (local.get $l13))
        (br $B2))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l20)
        (local.get $l12)))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l20))
      (local.get $l12))
    (unreachable))
