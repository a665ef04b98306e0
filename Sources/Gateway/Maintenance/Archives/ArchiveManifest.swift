/// What is said about an archived day in the file beside it.
import Foundation

/// The manifest of one archive. Times are RFC 3339 in UTC with microseconds.
struct ArchiveManifest: Codable, Equatable {
    /// The version of this form.
    var format = 1
    /// The archive's name, without its directory.
    var file: String
    /// The table whose rows these are.
    var partition: String
    /// The first moment of the day.
    var lowerBound: String
    /// The first moment after it.
    var upperBound: String
    /// Without the header line.
    var rows: Int
    /// The earliest fix; nil where there is no row.
    var firstRecordedAt: String?
    /// The latest.
    var lastRecordedAt: String?
    /// The file's length.
    var bytes: Int
    /// Of the file, in hexadecimal digits.
    var sha256: String
    var compression = "zstd"
    /// The columns of the CSV, in their order.
    var columns = ArchiveColumns.names
    var drover = "archive"

    private enum CodingKeys: String, CodingKey {
        case format, file, partition, rows, bytes, sha256, compression, columns, drover
        case lowerBound = "lower_bound"
        case upperBound = "upper_bound"
        case firstRecordedAt = "first_recorded_at"
        case lastRecordedAt = "last_recorded_at"
    }

    /// As it stands in a file.
    func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }

    /// The manifest at `path`; nil where there is none.
    static func read(at path: String) throws(ArchiveError) -> ArchiveManifest? {
        guard let content = FileManager.default.contents(atPath: path) else {
            if FileManager.default.fileExists(atPath: path) { throw .system(path: path, reason: "cannot read it") }
            return nil
        }
        do {
            let manifest = try JSONDecoder().decode(ArchiveManifest.self, from: content)
            guard manifest.format == 1, manifest.compression == "zstd", manifest.columns == ArchiveColumns.names else {
                throw ArchiveError.damaged(file: path, problem: "this version of Drover does not know its form")
            }
            return manifest
        } catch let error as ArchiveError {
            throw error
        } catch {
            throw .damaged(file: path, problem: "it is no manifest")
        }
    }
}
