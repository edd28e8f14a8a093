;; One row of RGBA pixels narrowed as Pillow does it: of each new pixel the weighted sum of `count`
;; pixels from `first` on, weights of 22 bits, rounded and clipped to 8. All four channels at once.
(module
  (memory (export "memory") 1)
  (func (export "along")
    (param $row i32) (param $first i32) (param $count i32) (param $weights i32) (param $stride i32)
    (param $n i32) (param $out i32)
    (local $pixel i32) (local $weight i32) (local $end i32) (local $sum v128)
    (if (i32.eqz (local.get $n)) (then (return)))
    (loop $pixels
      (local.set $pixel
        (i32.add (local.get $row) (i32.shl (i32.load (local.get $first)) (i32.const 2))))
      (local.set $weight (local.get $weights))
      (local.set $end
        (i32.add (local.get $weights) (i32.shl (i32.load (local.get $count)) (i32.const 2))))
      (local.set $sum (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
      (block $done
        (loop $taps
          (br_if $done (i32.ge_u (local.get $weight) (local.get $end)))
          (local.set $sum
            (i32x4.add
              (local.get $sum)
              (i32x4.mul
                (i32x4.extend_low_i16x8_u
                  (i16x8.extend_low_i8x16_u (v128.load32_zero (local.get $pixel))))
                (v128.load32_splat (local.get $weight)))))
          (local.set $pixel (i32.add (local.get $pixel) (i32.const 4)))
          (local.set $weight (i32.add (local.get $weight) (i32.const 4)))
          (br $taps)))
      (local.set $sum (i32x4.shr_s (local.get $sum) (i32.const 22)))
      (local.set $sum (i16x8.narrow_i32x4_s (local.get $sum) (local.get $sum)))
      (local.set $sum (i8x16.narrow_i16x8_u (local.get $sum) (local.get $sum)))
      (v128.store32_lane 0 (local.get $out) (local.get $sum))
      (local.set $first (i32.add (local.get $first) (i32.const 4)))
      (local.set $count (i32.add (local.get $count) (i32.const 4)))
      (local.set $weights (i32.add (local.get $weights) (local.get $stride)))
      (local.set $out (i32.add (local.get $out) (i32.const 4)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $pixels (local.get $n)))))
