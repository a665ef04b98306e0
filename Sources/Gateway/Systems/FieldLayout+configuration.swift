/// The layouts that the configuration names, as what they are used for allows.

extension Configuration {
    /// What a driver's hash holds.
    var hashLayout: FieldLayout {
        do {
            return try FieldLayout(redisLocationFields, for: .hash)
        } catch {
            preconditionFailure("the loader lets no such layout pass: \(error)")
        }
    }
}
