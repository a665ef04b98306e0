/// Which jobs there are. To add one, write it in a file of its own and name it here.

extension MaintenanceJob {
    /// The jobs of a gateway with this configuration.
    static func all(_ configuration: Configuration) -> [MaintenanceJob] {
        // Where nothing of the history is kept, nothing is made; what is there from before is left alone.
        configuration.historyRetentionDays > 0 ? [.partitions(configuration)] : []
    }
}
