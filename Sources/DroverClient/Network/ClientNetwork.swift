/// What all connections of one loop share, so that thousands of them cost little: the buffers of a turn.
public import EventLoop

/// The loop with the receive buffer and the frame buffer that every connection on it uses in turn.
///
/// Not `Sendable`, like the loop.
public final class ClientNetwork {
    /// The loop that everything here runs on.
    public let loop: EventLoop
    let receiveBuffer: UnsafeMutableRawBufferPointer
    /// For one message while it is encoded.
    let messageWriter = ByteWriter(capacity: 4096)
    /// For one frame while it is masked and written.
    let frameWriter = ByteWriter(capacity: 4096)
    var random: SeededRandom

    /// - Parameters:
    ///   - loop: the loop to run on; one of its own where none is given.
    ///   - seed: for masks and back-off jitter; the system's randomness where it is nil.
    public init(loop: EventLoop = EventLoop(), seed: UInt64? = nil) {
        self.loop = loop
        // 64 KiB is what one read of a loopback socket gives at most.
        receiveBuffer = .allocate(byteCount: 1 << 16, alignment: 16)
        random = SeededRandom(seed: seed ?? UInt64.random(in: 0 ... .max))
    }

    deinit { receiveBuffer.deallocate() }

    /// Runs the loop on this thread until `stop()`, or until nothing is left to do. Every callback of a session comes from
    /// here.
    public func run() { loop.run() }

    /// Makes `run()` return.
    public func stop() { loop.stop() }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, fast, and the same on every machine from the same seed.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// The sequence that belongs to `seed`.
    public init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
