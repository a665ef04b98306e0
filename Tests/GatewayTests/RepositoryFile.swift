// Files of the repository as the tests find them: by the place of this source file.
import Foundation

/// A file of this repository.
enum RepositoryFile {
    /// Its path from `path`, which is relative to the repository's root.
    static func path(_ path: String) -> String {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { root.deleteLastPathComponent() }
        return root.appendingPathComponent(path).path
    }

    /// Its text.
    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: self.path(path), encoding: .utf8)
    }

    /// The Swift files below a folder, relative to the root.
    static func sources(of folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: path(folder))
            .filter { $0.hasSuffix(".swift") }.map { "\(folder)/\($0)" }
    }
}
