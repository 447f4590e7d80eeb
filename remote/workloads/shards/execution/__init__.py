"""Where tasks are done: threads, processes of this machine, Dask workers. One seam: `crew.Crew`."""
