// libFuzzer's entry. How to run it stands at the head of this package's Package.swift.

import Tracking

/// Reused by all inputs. Sound: libFuzzer calls from one thread.
nonisolated(unsafe) private var agreement = DecoderAgreement()

/// Decodes one input; traps where the decoder does, or where it and the general parser differ.
@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    // Low, so that the limit is met.
    if let difference = agreement.difference(on: input, maximumPings: 4, allowsEnvelope: count % 2 == 0) {
        fatalError(difference)
    }
    return 0
}
