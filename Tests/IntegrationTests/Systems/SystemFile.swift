// The platforms' files in config/systems, and the schemas that stand beside the tests.

import Foundation

/// Where a platform's parts of a test are.
enum SystemFile {
    private static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The directory of schemas.
    static let schemas = repository.appendingPathComponent("Tests/IntegrationTests/Systems/Schemas").path

    /// A platform's configuration, such as `dropmate`.
    static func path(_ name: String) -> String {
        repository.appendingPathComponent("config/systems/\(name).yaml").path
    }

    /// The SQL of a file in `Schemas`: a platform's tables, or a day of its rows.
    static func sql(_ file: String) throws -> String {
        try String(
            contentsOfFile: "\(schemas)/\(file).sql", encoding: .utf8)
    }
}
