/// The way back.
import CZstandard

/// Decompresses frames one behind the other, piece by piece, and checks their checksums. Ended by `deinit`
/// (`ZSTD_freeDCtx`).
public struct Decompressor: ~Copyable {
    private let context: OpaquePointer
    private var output: [UInt8]
    private var isInFrame = false

    /// At the beginning of a frame.
    public init() {
        guard let context = ZSTD_createDCtx() else { preconditionFailure("no memory for a decompressor") }
        self.context = context
        output = [UInt8](repeating: 0, count: ZSTD_DStreamOutSize())
    }

    deinit {
        ZSTD_freeDCtx(context)
    }

    /// Decompresses `bytes` and hands the content to `write`. Throws where they are damaged.
    public mutating func append(
        _ bytes: UnsafeRawBufferPointer, write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        let context = self.context
        var isDone = bytes.isEmpty
        while !isDone {
            try output.withUnsafeMutableBytes { room in
                var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
                let hint = ZSTD_decompressStream(context, &target, &input)
                guard ZSTD_isError(hint) == 0 else { throw ZstandardError(code: hint) }
                isInFrame = hint != 0
                if target.pos > 0 { try write(UnsafeRawBufferPointer(rebasing: room[0..<target.pos])) }
                // A full output may hide more of it.
                isDone = input.pos == input.size && target.pos < target.size
            }
        }
    }

    /// Throws where the last frame is cut off.
    public func finish() throws {
        if isInFrame { throw ZstandardError("the compressed file is cut off") }
    }
}
