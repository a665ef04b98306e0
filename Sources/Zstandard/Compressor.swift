/// Streams of bytes into Zstandard frames (RFC 8878) and back, by Debian's libzstd: what archived days are kept in.
import CZstandard

/// Why bytes could not be compressed or decompressed.
public struct ZstandardError: Error, CustomStringConvertible {
    /// One line.
    public let description: String

    init(_ description: String) {
        self.description = description
    }

    init(code: Int) {
        self.init("Zstandard: \(String(cString: ZSTD_getErrorName(code)))")
    }
}

/// Compresses one frame, piece by piece, with a checksum of its content in it. Ended by `deinit` (`ZSTD_freeCCtx`).
public struct Compressor: ~Copyable {
    private let context: OpaquePointer
    private var output: [UInt8]

    /// `level` is 1 to 19: small is fast.
    public init(level: Int32 = 3) {
        guard let context = ZSTD_createCCtx() else { preconditionFailure("no memory for a compressor") }
        self.context = context
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
        output = [UInt8](repeating: 0, count: ZSTD_CStreamOutSize())
    }

    deinit {
        ZSTD_freeCCtx(context)
    }

    /// Compresses `bytes` and hands what comes of it to `write`, perhaps nothing yet.
    public mutating func append(
        _ bytes: UnsafeRawBufferPointer, write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try run(bytes, ZSTD_e_continue, write)
    }

    /// Ends the frame. Nothing may be appended after it.
    public mutating func finish(write: (UnsafeRawBufferPointer) throws -> Void) throws {
        try run(UnsafeRawBufferPointer(start: nil, count: 0), ZSTD_e_end, write)
    }

    private mutating func run(
        _ bytes: UnsafeRawBufferPointer, _ directive: ZSTD_EndDirective,
        _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        let context = self.context
        var isDone = false
        while !isDone {
            try output.withUnsafeMutableBytes { room in
                var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
                let left = ZSTD_compressStream2(context, &target, &input, directive)
                guard ZSTD_isError(left) == 0 else { throw ZstandardError(code: left) }
                if target.pos > 0 { try write(UnsafeRawBufferPointer(rebasing: room[0..<target.pos])) }
                isDone = directive == ZSTD_e_end ? left == 0 : input.pos == input.size
            }
        }
    }
}
