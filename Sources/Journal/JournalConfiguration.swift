// What the journal is told at start-up, and the bounds that hold whatever it is told.

/// Where the journal lives and how large it may become.
public struct JournalConfiguration: Sendable {
    /// The directory; created with mode 0700 where it is missing, since pings are personal data.
    public var directory: String

    /// Size of one segment file in bytes, allocated when the file is made. From 4 KiB to 256 MiB; the default is 16 MiB.
    public var segmentBytes: Int

    /// Bytes of segment files beyond which new records are refused; at least two segments. The default is 4 GiB.
    public var limitBytes: Int

    /// Size in bytes of each of the two buffers in which groups gather, 8 MiB by default. Memory is touched as it is used.
    public var groupBytes: Int

    /// Names of damaged or missing segment files (or `state`, `node-id`) whose records the operator gives up. Such a file is renamed
    /// to `*.corrupt` and the lost LSN range is reported; without this the journal refuses to open.
    public var acceptCorruptSegment: [String]

    /// A configuration with the defaults for what is left out.
    public init(
        directory: String, segmentBytes: Int = 16 << 20, limitBytes: Int = 4 << 30, groupBytes: Int = 8 << 20,
        acceptCorruptSegment: [String] = []
    ) {
        self.directory = directory
        self.segmentBytes = segmentBytes
        self.limitBytes = limitBytes
        self.groupBytes = groupBytes
        self.acceptCorruptSegment = acceptCorruptSegment
    }

    /// Bytes one group may take in a segment: the smaller of the buffer and an empty segment.
    var groupCapacity: Int {
        min(groupBytes, segmentBytes - SegmentHeader.size - GroupHeader.size)
    }

    /// Throws where a number is out of range.
    func validate() throws(JournalError) {
        guard (4096...(256 << 20)).contains(segmentBytes), segmentBytes % 8 == 0 else {
            throw .invalidConfiguration(
                "journal segment of \(segmentBytes) bytes. Choose a multiple of 8 from 4096 to \(256 << 20)")
        }
        guard limitBytes >= 2 * segmentBytes else {
            throw .invalidConfiguration(
                "journal limit of \(limitBytes) bytes. Choose at least two segments, \(2 * segmentBytes)")
        }
        guard groupBytes >= 1024 else {
            throw .invalidConfiguration("journal group of \(groupBytes) bytes. Choose at least 1024")
        }
        guard !directory.isEmpty else {
            throw .invalidConfiguration("journal directory is empty. Set DROVER_JOURNAL_DIRECTORY")
        }
    }
}

/// The bounds of one record.
public enum JournalRecord {
    /// The largest record in bytes; the smallest is 1.
    public static let maximumBytes = 4096

    /// Bytes a record takes beside its own: its length and flags.
    static let overhead = 4
}
